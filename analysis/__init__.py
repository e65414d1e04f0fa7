"""Conclude: everything after the store; never imports torch."""
