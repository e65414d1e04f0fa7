"""The columns of every table and of every file of texts, one module per stage that writes them, and of the published claims."""
