"""What evidence says of a published claim: holds, does not hold, undecided, explained by a control, or not testable.

A claim has a side: the values at which it would be true. The rules stand in `params.yaml` (`claims`) and were fixed before any
model was run; a table of verdicts carries their digest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

HOLDS, FAILS, UNDECIDED, NOT_TESTABLE = "holds", "does not hold", "undecided", "not testable"
EXPLAINED = "explained by "
FLOOR = "stimulus_floor"


@dataclass(frozen=True)
class Side:
    """The values at which a claim is true, ends included; as published figures are rounded, so are these."""

    at_least: float = -inf
    at_most: float = inf

    def where(self, low: float, high: float) -> str:
        """Whether an interval lies on the claim's side, off it, or on both."""
        if low >= self.at_least and high <= self.at_most:
            return HOLDS
        return FAILS if high < self.at_least or low > self.at_most else UNDECIDED

    def margin(self, value: float) -> float:
        """How far inside the side a value lies; negative outside it."""
        return min(value - self.at_least, self.at_most - value)


@dataclass(frozen=True)
class Given:
    """What is left of a pair's rho_dis given a control: the ends of its interval, and its standard error."""

    control: str
    low: float
    se: float


@dataclass(frozen=True)
class Evidence:
    """One number that a claim is about, of one pair or model. `low`, `high`: its 95% interval, None where there is none.

    `exact`: the number is a fact of the run, to be met or not; else one without an interval decides nothing. `floor`: the 95%
    quantile of the same number under labels that mean nothing. `reason`: why there is no number.
    """

    about: str
    estimate: float | None
    low: float | None = None
    high: float | None = None
    ceiling: float | None = None
    floor: float | None = None
    given: tuple[Given, ...] = ()
    exact: bool = False
    reason: str | None = None

    @property
    def interval(self) -> tuple[float, float] | None:
        if self.low is not None and self.high is not None:
            return self.low, self.high
        return (self.estimate, self.estimate) if self.exact and self.estimate is not None else None


@dataclass(frozen=True)
class Verdict:
    """`of`: the evidence that decides, None where nothing was measured."""

    verdict: str
    why: str
    of: Evidence | None


def judge(evidence: Evidence, side: Side, largest_se: float) -> tuple[str, str]:
    """Verdict and why, of one number."""
    if evidence.estimate is None:
        return NOT_TESTABLE, evidence.reason or "not measured"
    on_its_side = evidence.interval is None and side.where(evidence.estimate, evidence.estimate) == HOLDS
    found = side.where(*evidence.interval) if evidence.interval is not None else HOLDS if on_its_side else NOT_TESTABLE
    if found == HOLDS and (control := explanation(evidence, largest_se)):
        return EXPLAINED + control[0], control[1]
    if evidence.interval is None:
        return NOT_TESTABLE, evidence.reason or "no interval: too few texts of a label"
    return found, evidence.reason or ""


def explanation(evidence: Evidence, largest_se: float) -> tuple[str, str] | None:
    """The control that gives as much, and how that is seen: rho_same no higher than the floor of labels that mean nothing, or
    an interval of what is left given the control that reaches 0, where its standard error is below `largest_se`."""
    if evidence.floor is not None and evidence.estimate is not None and evidence.estimate <= evidence.floor:
        return FLOOR, f"labels that mean nothing reach {evidence.floor:.2f}"
    for given in evidence.given:
        if given.low <= 0 and given.se < largest_se:
            return given.control, f"given it, the interval of what is left begins at {given.low:.2f}"
    return None


def of_every(members: Sequence[Evidence], side: Side, largest_se: float) -> Verdict:
    """The verdict on a claim about every member: it falls with one of them, is open while one is, and is explained away where
    one is. Members that cannot be judged are counted."""
    judged = [(e, *judge(e, side, largest_se)) for e in members]
    known = [j for j in judged if j[1] != NOT_TESTABLE]
    if not known:
        first = next(iter(judged), None)
        return Verdict(NOT_TESTABLE, first[2] if first else "nothing here that it is about", first[0] if first else None)

    def rank(verdict: str) -> int:
        return [FAILS, UNDECIDED].index(verdict) if verdict in (FAILS, UNDECIDED) else 2 if verdict != HOLDS else 3

    worst = min(rank(verdict) for _, verdict, _ in known)
    deciding = [j for j in known if rank(j[1]) == worst]
    evidence, verdict, why = min(deciding, key=lambda j: side.margin(j[0].estimate))  # type: ignore[arg-type]
    alike = len(deciding)
    words = [f"{alike} of {len(known)}: {evidence.about}" if len(known) > 1 else evidence.about, why]
    if len(known) < len(judged):
        words.append(f"{len(judged) - len(known)} could not be judged")
    return Verdict(verdict, "; ".join(filter(None, words)), evidence)
