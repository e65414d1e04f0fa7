"""What evidence says of a published claim about every one of some pairs or models: the rules of `rules`, member by member.

The rules stand in `params.yaml` and in the sides of the claims, and were fixed before any model was run; a table of verdicts
carries their digest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from analysis.claims import rules
from analysis.claims.rules import Beside, Number, Published, Side

HOLDS, FAILS, UNDECIDED, NOT_TESTABLE = rules.HOLDS, rules.FAILS, rules.UNDECIDED, rules.NOT_TESTABLE
EXPLAINED = rules.EXPLAINED
FLOOR = "stimulus_floor"
"""The control of labels that mean nothing. It describes how much shared passages give, and decides nothing."""


@dataclass(frozen=True)
class Left:
    """What is left of a pair's agreement beyond a control (d): the ends of its interval, None where there is none."""

    control: str
    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Evidence:
    """One number that a claim is about, of one pair or model. `low`, `high`: its 95% interval, None where there is none.

    `exact`: the number is a fact of the run, to be met or not; else one without an interval decides nothing. `floor`: the 95%
    quantile of the same number under labels that mean nothing, which decides nothing. `left`: beyond each control; `published`:
    the same pair under the published protocol, by which it is then judged. `reason`: why there is no number.
    """

    about: str
    estimate: float | None
    low: float | None = None
    high: float | None = None
    ceiling: float | None = None
    floor: float | None = None
    left: tuple[Left, ...] = ()
    exact: bool = False
    scale: str = rules.OTHER
    published: Published | None = None
    reason: str | None = None

    @property
    def number(self) -> Number:
        return Number(self.about, self.estimate, self.low, self.high, self.scale, self.exact, reason=self.reason)

    @property
    def beside(self) -> Beside:
        return Beside({d.control: Number(self.about, d.value, d.low, d.high, rules.DISATTENUATED) for d in self.left})


@dataclass(frozen=True)
class Verdict:
    """`of`: the evidence that decides, None where nothing was measured."""

    verdict: str
    why: str
    of: Evidence | None


def judge(evidence: Evidence, side: Side, margin: float) -> tuple[str, str]:
    """Verdict and why, of one number, on the scale that it is on. `margin`: of equivalence."""
    found = rules.judge(evidence.number, replace(side, scale=evidence.scale), evidence.beside, margin)
    return found.verdict, found.why if found.why != evidence.about else evidence.reason or ""


def inside(side: Side, value: float) -> float:
    """How far inside the side a value lies; negative outside it."""
    return min(value - side.at_least, side.at_most - value)


def of_every(members: Sequence[Evidence], side: Side, margin: float) -> Verdict:
    """The verdict on a claim about every member: it falls with one of them, is open while one is or cannot be judged, and is
    explained where one is."""
    if any(e.published is not None for e in members):
        return of_published(members, side, margin)
    judged = [(e, *judge(e, side, margin)) for e in members]
    known = [j for j in judged if j[1] != NOT_TESTABLE]
    if not known:
        first = next(iter(judged), None)
        return Verdict(NOT_TESTABLE, first[2] if first else "nothing here that it is about", first[0] if first else None)

    def rank(verdict: str) -> int:
        return [FAILS, UNDECIDED].index(verdict) if verdict in (FAILS, UNDECIDED) else 2 if verdict != HOLDS else 3

    worst = min(rank(verdict) for _, verdict, _ in known)
    deciding = [j for j in known if rank(j[1]) == worst]
    evidence, verdict, why = min(deciding, key=lambda j: inside(side, j[0].estimate))  # type: ignore[arg-type]
    alike = len(deciding)
    words = [f"{alike} of {len(known)}: {evidence.about}" if len(known) > 1 else evidence.about, why]
    if lacking := len(judged) - len(known):
        first_lacking = next(j for j in judged if j[1] == NOT_TESTABLE)
        words.append(f"{lacking} of {len(judged)} could not be judged ({first_lacking[0].about}: {first_lacking[2]})")
        # those that are not known may lie off the side: nothing is said of every one
        verdict = FAILS if verdict == FAILS else UNDECIDED
    return Verdict(verdict, "; ".join(filter(None, words)), evidence)


def of_published(members: Sequence[Evidence], side: Side, margin: float) -> Verdict:
    """The same under the published protocol, whose three passages give no interval: by what is found across passages."""
    pairs = [e.published for e in members if e.published is not None]
    found = rules.judge_published(pairs, replace(side, scale=rules.RAW), margin=margin)
    known = [e for e in members if e.estimate is not None]
    return Verdict(found.verdict, found.why, min(known, key=lambda e: inside(side, e.estimate or 0.0), default=members[0]))
