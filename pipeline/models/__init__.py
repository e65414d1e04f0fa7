"""Models: from an entry of data/models/ to weights in memory at a precision, and how a CPU multiplies by them."""
