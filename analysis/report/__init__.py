"""The report: findings in words, figures, one self-contained page."""
