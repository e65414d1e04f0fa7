"""Measure: everything that touches a model, and the store that it fills."""
