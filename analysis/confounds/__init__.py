"""Confounds: what lies between two ways to a geometry, in shares that add up."""
