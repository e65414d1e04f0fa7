"""Reading: the residual stream of a model over a text, pooled at positions, and the emotion vectors made of it."""
