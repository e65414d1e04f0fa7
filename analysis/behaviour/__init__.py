"""Behaviour of models, beside their geometry."""
