"""Names that tables use: of the rules that choose a layer, and of the entries of an RDM that count."""

PAPER, CV, CROSS_FITTED, DEPTH = "best_layer_paper", "best_layer_cv", "best_layer_cv_crossfit", "matched_depth"

ALL_PAIRS, WITHIN_SIGN, VALENCE_REMOVED = "all", "within_sign", "valence_removed"
"""Every pair of labels; pairs of the same sign of valence; pairs whose labels have norms, with the ranks of their difference in
valence taken out."""
