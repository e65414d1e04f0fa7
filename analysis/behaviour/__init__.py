"""Behaviour of models."""
