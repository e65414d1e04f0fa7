"""Steered texts: their regimes, and dose and response."""
