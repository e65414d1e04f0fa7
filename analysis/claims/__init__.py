"""Claims: which models are mature, and a verdict on each published claim."""
