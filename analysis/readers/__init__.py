"""Readers: who read the stories, at which precision, and the patterns that each gives to a comparison."""
