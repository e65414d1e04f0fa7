"""The grid: each reader's geometry at every layer, and every pair of readers."""
