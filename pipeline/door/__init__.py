"""How users open what the pipeline made: here, from a git revision, and one pair of readers by two names."""
