"""Writing: texts that a model writes, one token after another, and how it reads them again."""
