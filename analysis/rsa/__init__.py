"""Representational similarity analysis as pure functions: no files, no params."""
