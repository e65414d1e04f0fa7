"""What goes out: descriptions, exports to other tools, and releases."""
