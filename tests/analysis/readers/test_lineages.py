"""Pairs across lineages: counted by hand on a small grid."""

from types import SimpleNamespace

from analysis.readers import lineages

ENTRIES = {
    name: SimpleNamespace(untrained=name == "twin", lineage=lineage)
    for name, lineage in (("q", "qwen"), ("l31", "llama"), ("l32", "llama"), ("m", "mistral"), ("twin", "llama"))
}


def row(a, b, rho, precision="fp32", other="fp32"):
    return {
        "model_a": a,
        "model_b": b,
        "precision_a": precision,
        "precision_b": other,
        "setting_a": "stories",
        "setting_b": "stories",
        "position": "p",
        "variant": "centred",
        "layer_rule": "best_layer_cv",
        "pairs": "all",
        "rho_same": rho,
        "rho_cross": rho / 2,
        "rho_dis": None,
    }


GRID = [
    row("q", "l31", 0.8),
    row("q", "l32", 0.7),
    row("l31", "l32", 0.92),  # one lineage
    row("q", "m", 0.5),
    row("l31", "m", 0.9),
    row("l32", "m", 0.6),
    row("q", "twin", 0.1),  # no learning
    row("q", "l31", 0.2, "fp32", "int8"),  # two precisions
    row("tfidf", "q", 0.3),  # words
    row("q", "l31", 0.3) | {"setting_a": "input_embeddings", "setting_b": "input_embeddings"},  # words again
]


def test_a_summary_counts_pairs_of_different_lineages_alone():
    found = {r["estimator"]: r for r in lineages.summaries(GRID, ENTRIES)}
    same = found["rho_same"]
    assert (same["n_pairs"], same["n_lineages"], same["precision"]) == (5, 3, "fp32")
    assert (same["lowest"], same["median"], same["highest"]) == (0.5, 0.7, 0.9)
    assert found["rho_cross"]["median"] == 0.35
    assert found["rho_dis"]["reason"] == "no pair across lineages has rho_dis"


def test_each_lineage_is_left_out_in_turn():
    same = next(r for r in lineages.summaries(GRID, ENTRIES) if r["estimator"] == "rho_same")
    # without qwen .9, .6; without llama .5; without mistral .8, .7
    assert (same["median_without_lineage_low"], same["median_without_lineage_high"]) == (0.5, 0.75)
    assert same["lowest_without_lineage_high"] == 0.7


def test_two_lineages_leave_nothing_without_either():
    (same, *_) = lineages.summaries(GRID[:2], ENTRIES)
    assert same["median"] == 0.75
    assert same["reason"] == "two lineages: without either there is no pair"


def test_no_pair_across_lineages_is_no_row():
    assert lineages.summaries([GRID[2]], ENTRIES) == []
