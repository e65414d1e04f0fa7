"""Faults put into a finished run, and hostile input: after each a clear error or the same bytes, never a wrong number."""
