"""The store: where every out lies, how arrays and tables are written whole and opened, and who made them."""
