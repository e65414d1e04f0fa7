"""The published protocol, as it was."""
