"""Controls: what else the agreement of two readers could be, and what it owes to choices."""
