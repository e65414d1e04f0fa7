"""The protocols under which a claim is judged."""

PAPER, SAME, OTHER = "as published", "same stories", "other stories"
"""Protocols, by what differs: three passages, the last token, the published layer; all stories, the same on both sides, each
reader at best_layer_cv; the same with one side on one half of the topics and the other on the other."""
PROTOCOLS = (PAPER, SAME, OTHER)
"""From the loosest to the strictest, at the report's position."""


def on_others(position: str) -> str:
    """The last of them at another position than the report's."""
    return f"{OTHER}, {position}"
