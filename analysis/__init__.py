"""CONCLUDE: everything after the store. Nothing here imports torch."""
