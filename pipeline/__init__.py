"""MEASURE: everything that touches a model, and the store that the measurements land in."""
