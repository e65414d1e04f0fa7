"""How numbers become verdicts: holds, does not hold, undecided, explained by something else, or not testable.

A claim has a side: the values at which it is true, on the scale on which they were published. The whole 95% interval on the
side: holds; wholly off it: does not hold; else undecided. A claim that something is alike also asks what else would make it
so: words, an untrained network, valence. A statement about every pair is one statement, about the lowest; a pair that has no
number leaves it open.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from math import inf

from analysis.rsa.new_lineage import Predicted
from analysis.rsa.simultaneous import Lowest
from analysis.rsa.split_half import t_quantile

HOLDS, FAILS, UNDECIDED, NOT_TESTABLE = "holds", "does not hold", "undecided", "not testable"
EXPLAINED = "explained by "
VALENCE, PASSAGES = "a shared valence axis", "shared passages"
RAW, DISATTENUATED, OTHER = "raw rho of the published protocol", "rho_dis", "a figure of its own"
SAME = "rho_same"
"""Scales of sides. A raw rho of three passages and a disattenuated rho are not one scale: .74 of one is not .74 of the
other."""
TWO_RAW = "a difference of two raw rhos has no interval"
LEVEL = 0.05
"""Of permutation tests."""
ONE_END = 0.025
"""Of a 95% interval."""


@dataclass(frozen=True)
class Side:
    """The values at which a claim is true, ends included. `similarity`: it says that two readers are alike, which controls may
    explain; a claim that they differ, or that a number is small, is never explained."""

    at_least: float = -inf
    at_most: float = inf
    scale: str = OTHER

    @property
    def similarity(self) -> bool:
        return self.at_least > -inf and self.at_most == inf and self.scale in (RAW, DISATTENUATED, SAME)

    def where(self, low: float, high: float) -> str:
        """Whether an interval lies on the side, off it, or on both."""
        if low >= self.at_least and high <= self.at_most:
            return HOLDS
        return FAILS if high < self.at_least or low > self.at_most else UNDECIDED


def as_rounded(figure: str) -> tuple[float, float]:
    """The values that a table prints as `figure`: "0.92" is .915 to .925, so that "at least 0.92" asks for .915."""
    value = Decimal(figure)
    half = Decimal(5).scaleb(int(value.as_tuple().exponent) - 1)
    return float(value - half), float(value + half)


def nearly_identical(margin: float) -> Side:
    """Two readers are one within the margin of equivalence."""
    return Side(at_least=1 - margin, scale=DISATTENUATED)


def another_geometry(margin: float) -> Side:
    """They are not: reliability is accounted for, so that what is below 1 is no noise."""
    return Side(at_most=1 - margin, scale=DISATTENUATED)


@dataclass(frozen=True)
class Number:
    """What a claim is about: an estimate and the ends of its 95% interval over topics, None where there is none.

    `exact`: a fact of the run, to be met or not. `n_unknown`: of the pairs that it speaks of, those that could not be judged.
    `reason`: why there is no number or no interval.
    """

    about: str
    estimate: float | None
    low: float | None = None
    high: float | None = None
    scale: str = OTHER
    exact: bool = False
    n: int = 1
    n_unknown: int = 0
    reason: str | None = None

    @property
    def interval(self) -> tuple[float, float] | None:
        if self.estimate is None:
            return None
        if self.exact:
            return self.estimate, self.estimate
        return None if self.low is None or self.high is None else (self.low, self.high)

    def turned(self) -> Number:
        """The number with its sign turned: the highest of some numbers is the lowest of these."""
        ends = [None if x is None else -x for x in (self.estimate, self.high, self.low)]
        return replace(self, estimate=ends[0], low=ends[1], high=ends[2])


@dataclass(frozen=True)
class Beside:
    """What else could make readers alike. `left`: by control, what is left beyond it (d), of the same pair or the lowest of
    all; `without_valence`: rho_dis within pairs of labels of one sign, and with valence taken out."""

    left: Mapping[str, Number] = field(default_factory=dict)
    without_valence: Mapping[str, Number] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    verdict: str
    why: str


def judge(number: Number, side: Side, beside: Beside | None = None, margin: float = 0.1) -> Verdict:
    """The verdict on one number. `beside` counts for claims of similarity alone; `margin`: of equivalence.

    Raises ValueError where the number is not on the side's scale.
    """
    if number.scale != side.scale:
        raise ValueError(f"{number.about}: {number.scale} cannot be judged by a side that is published as {side.scale}")
    if number.estimate is None:
        return Verdict(NOT_TESTABLE, number.reason or "not measured")
    if number.interval is None:
        return Verdict(NOT_TESTABLE, number.reason or "no interval")
    found = side.where(*number.interval)
    unknown = f"{number.n_unknown} of {number.n + number.n_unknown} pairs could not be judged"
    if found == FAILS:  # one that lies off it is enough
        return Verdict(FAILS, number.about)
    if number.n_unknown:
        return Verdict(UNDECIDED, unknown if found == HOLDS else f"{number.about}; {unknown}")
    if found == HOLDS and side.similarity and beside is not None:
        return _explained(number, beside, margin)
    return Verdict(found, number.about)


def _explained(number: Number, beside: Beside, margin: float) -> Verdict:
    """Of a similarity that was found: what explains it, what may, or that nothing does."""
    open_ = []
    for name, left in beside.left.items():
        where = Side(at_least=margin).where(*left.interval) if left.interval else UNDECIDED
        if where == FAILS:
            return Verdict(EXPLAINED + name, f"{left.about}: beyond it at most {(left.interval or (0, 0))[1]:.2f} is left")
        if where == UNDECIDED or left.n_unknown:
            open_.append(f"{name} may explain it")
    for name, rest in beside.without_valence.items():
        if rest.interval is not None and rest.interval[1] < margin:
            return Verdict(EXPLAINED + VALENCE, f"{rest.about}: {name} at most {rest.interval[1]:.2f} is left")
        if rest.interval is None or rest.interval[0] <= 0 or rest.n_unknown:
            open_.append(f"{name}: not shown to be above 0")
    return Verdict(UNDECIDED, "; ".join(open_)) if open_ else Verdict(HOLDS, number.about)


def of_every(
    lowest: Lowest | None,
    names: Sequence[str],
    values: Sequence[float | None],
    scale: str,
    reason: str | None = None,
    which: str = "lowest",
) -> Number:
    """The lowest of many pairs as one number: the deciding pair's own value, and the ends of the simultaneous interval. `names`
    and `values` of all pairs that the claim is about, judged or not."""
    if lowest is None:
        return Number("", None, scale=scale, n=0, n_unknown=len(names), reason=reason or "no pair could be judged")
    about = names[lowest.deciding] + (f", the {which} of {lowest.n}" if lowest.n > 1 else "")
    return Number(about, values[lowest.deciding], lowest.low, lowest.high, scale, n=lowest.n, n_unknown=lowest.n_unknown)


def of_intervals(numbers: Sequence[tuple[str, float, float, float, int]], scale: str, which: str = "lowest") -> Number:
    """The same of numbers of which only their own 95% intervals are known: (name, value, low, high, degrees of freedom).

    For a statement about all K of them each upper end is moved out to Student's quantile at 1 - .025/K (Bonferroni); the lower
    ends need not be (`analysis.rsa.simultaneous`).
    """
    k = len(numbers)
    upper = [v + (high - v) * t_quantile(1 - ONE_END / k, dof) / t_quantile(1 - ONE_END, dof) for _, v, _, high, dof in numbers]
    at = min(range(k), key=upper.__getitem__)
    name, value, *_ = numbers[at]
    about = name + (f", the {which} of {k}" if k > 1 else "")
    return Number(about, value, min(low for _, _, low, _, _ in numbers), upper[at], scale, n=k)


def of_new_lineage(found: Predicted | None, n_lineages: int) -> Number:
    """The number of a pair with a lineage that nobody has read, by its prediction interval."""
    if found is None:
        return Number(
            "a new lineage",
            None,
            scale=DISATTENUATED,
            reason=f"{n_lineages} lineages; three are needed, and a number of every two",
        )
    return Number(f"a new lineage, from {found.n}", found.mean, found.pair_low, found.pair_high, DISATTENUATED)


@dataclass(frozen=True)
class Published:
    """One pair under the published protocol: Spearman of the RDMs of the same three passages, one passage against the two
    others, and the permutation p of the latter. `own`: the geometric mean of what either reader has in common with itself, one
    passage against the two others: what two readers with one geometry would show."""

    about: str
    same: float | None
    across: float | None
    p: float | None
    own: float | None = None
    reason: str | None = None


def judge_published(
    pairs: list[Published], side: Side, level: float = LEVEL, margin: float = 0.1, lowest_own: float = 0.3
) -> Verdict:
    """A published claim on the lowest raw rho, judged by the published protocol itself.

    Where readers do not agree with themselves on other passages (`own` below `lowest_own`), three passages measure no geometry,
    and nothing is decided: a geometry that is shared would look the same. Where they do, a pair below the side is a fact: it
    does not hold. On the side, the number may be the passages': it holds where each pair's agreement is found in other passages
    too (p at most `level`; all must pass, so that none is corrected for), and is explained by shared passages where one is
    neither significant nor above the margin there.
    """
    known = [p for p in pairs if p.same is not None]
    if not known:
        reasons = (p.reason for p in pairs if p.reason)
        return Verdict(NOT_TESTABLE, next(reasons, "no pair was read under the published protocol"))
    lowest = min(known, key=lambda p: p.same or 0.0)
    below = [p for p in known if side.where(p.same or 0.0, p.same or 0.0) != HOLDS]
    if firm := [p for p in below if (p.own or 0) >= lowest_own]:
        least = min(firm, key=lambda p: p.same or 0.0)
        return Verdict(FAILS, f"{least.about}: {least.same:.2f} on the same passages")
    if below:
        own = "is not known" if lowest.own is None else f"is {lowest.own:.2f}"
        words = f"{lowest.about}: {lowest.same:.2f} on the same passages, but their agreement with themselves on others {own}"
        return Verdict(UNDECIDED, f"{words}: two readings of one geometry may be as low")
    unsure = [p for p in known if p.p is None or p.p > level]
    gone = [p for p in unsure if p.p is not None and p.across is not None and p.across < margin and (p.own or 0) >= lowest_own]
    if gone:
        first = min(gone, key=lambda p: p.across or 0.0)
        words = f"{first.about}: {first.same:.2f} on the same passages, {first.across:.2f} across (p {first.p:.2f})"
        return Verdict(EXPLAINED + PASSAGES, f"{words}; {len(gone)} of {len(known)} pairs")
    if unsure or len(known) < len(pairs):
        words = f"{len(unsure)} of {len(known)} pairs not found across passages"
        return Verdict(UNDECIDED, f"{words}; {len(pairs) - len(known)} not judged" if len(known) < len(pairs) else words)
    return Verdict(HOLDS, f"the lowest {lowest.same:.2f}; found across passages in all {len(known)}")
