"""Which models have a geometry of emotions at all, by a rule that looks at no comparison between models.

The published study called families mature after their similarities were known. Here a model is mature where its states are
finite and its geometry is more reliable than what its architecture, its tokenizer and its vocabulary give without training:
more than every layer of every untrained draw, and more than its own input embeddings. Untrained draws reach their best at
another depth than trained models, so that a draw is not to be held to the model's depth. Each reliability is of one layer, the
same for both halves: one that is cross-fitted compares two layers in many halvings, and is lower for that alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.rsa.split_half import t_quantile


@dataclass(frozen=True)
class Draw:
    """One untrained draw of a twin with the model's tokenizer: its name, and the reliability of each of its layers that has
    one."""

    name: str
    reliabilities: Sequence[float]


@dataclass(frozen=True)
class Measured:
    """What the rule looks at, of one base model at bf16 or fp32; None where it was not measured.

    `reliability`: at best_layer_cv, with its jackknife standard error over `n_units` topics; `embeddings`: of the
    model's input embeddings.
    """

    n_layers: int | None
    n_finite_layers: int | None
    reliability: float | None
    se: float | None
    n_units: int
    draws: Sequence[Draw]
    embeddings: float | None


@dataclass(frozen=True)
class Maturity:
    """`mature` is None where the rule cannot be applied. `bar`: the reliability that must be exceeded by the interval's lower
    end."""

    mature: bool | None
    bar: float | None
    low: float | None
    reason: str | None


def is_mature(model: Measured, fewest_draws: int = 5, level: float = 0.95) -> Maturity:
    """Mature <=> every layer is finite, and the lower end of the reliability's interval is above the highest of all layers of
    at least `fewest_draws` distinct seeds, and above the input embeddings'."""
    if model.n_layers is None or model.n_finite_layers is None:
        return Maturity(None, None, None, "read at neither bf16 nor fp32")
    if lost := model.n_layers - model.n_finite_layers:
        return Maturity(False, None, None, f"{lost} of {model.n_layers} layers are not finite")
    if model.reliability is None or model.se is None:
        return Maturity(None, None, None, "no reliability at best_layer_cv")
    low = model.reliability - t_quantile((1 + level) / 2, model.n_units - 1) * model.se
    highest = {d.name: max(d.reliabilities) for d in model.draws if len(d.reliabilities)}
    bars = {"the best of its untrained draws": max(highest.values(), default=None), "its input embeddings": model.embeddings}
    known = {name: bar for name, bar in bars.items() if bar is not None}
    bar = max(known.values(), default=None)
    for name, reached in known.items():  # one bar that is not passed is enough, however few draws there are
        if low <= reached:
            return Maturity(False, bar, low, f"its interval begins at {low:.2f}; {name}: {reached:.2f}")
    lacking = None if model.embeddings is not None else "its input embeddings were not read"
    if len(highest) < fewest_draws:
        lacking = f"{len(highest)} untrained draws with its tokenizer; {fewest_draws} are needed"
    return Maturity(None if lacking else True, bar, low, lacking)
