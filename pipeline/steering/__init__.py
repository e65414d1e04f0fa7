"""Steering: a direction added to the residual stream while a model writes, and what the model itself makes of the text."""
