"""The map of the emotions: every model's RDM laid out in two dimensions, and the maps turned onto one another."""

from __future__ import annotations

from typing import Any

import altair as alt
import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.linalg import orthogonal_procrustes

from analysis.report.colours import INK, SHOWN, colours, legend
from analysis.report.figures import WIDE
from analysis.report.numbers import listed
from analysis.report.shown import Panel, Section, Source
from analysis.report.view import View

Floats = npt.NDArray[np.float64]
DRAWS, CORNERS, ROUNDS, SEED = 100, 24, 10, 0
ROOM = 1.08
"""Of a drawing about its outermost point."""
COLUMNS: tuple[str, ...] = (
    "model",
    "precision",
    "emotion_a",
    "emotion_b",
    "layer",
    "cosine_distance",
    "cos_cv",
    "cos_cv_se",
    "reason",
)


def layout(rdm: Floats) -> tuple[Floats, float]:
    """Classical multidimensional scaling (Torgerson 1952) of an n x n RDM.

    Returns coordinates, n x 2, centred and of Frobenius norm 1, and the share of the positive eigenvalues that two hold.
    """
    n = len(rdm)
    centre = np.eye(n) - 1 / n
    values, axes = np.linalg.eigh(-0.5 * centre @ (rdm**2) @ centre)
    positive = np.clip(values, 0, None)
    points = axes[:, [-1, -2]] * np.sqrt(positive[[-1, -2]])
    size = np.linalg.norm(points)
    return (points / size if size > 0 else points), float(positive[-2:].sum() / max(positive.sum(), 1e-12))


def onto(points: Floats, target: Floats) -> Floats:
    """The points turned or mirrored onto a target of the same shape (orthogonal Procrustes)."""
    turned: Floats = points @ orthogonal_procrustes(points, target)[0]
    return turned


def together(maps: list[Floats]) -> list[Floats]:
    """Generalised Procrustes (Gower 1975): each map is turned onto the mean of all, until nothing moves."""
    mean = maps[0]
    for _ in range(ROUNDS):
        maps = [onto(points, mean) for points in maps]
        mean = np.mean(maps, axis=0)
    return maps


def rdms(view: View) -> dict[str, tuple[list[str], Floats, Floats]]:
    """Of every trained model at its reference precision: its emotions, its RDM, and the standard errors of the entries."""
    report, made = view.params.report, {}
    for model in view.trained:
        where = {"model": model, "precision": view.params.reference_of(model), "setting": "stories"}
        rows = view.raw["emotion_pairs"].filter(position=report.position, variant=report.variant, **where)
        rows = rows.drop_nulls("cosine_distance")
        emotions = sorted(set(rows["emotion_a"]) | set(rows["emotion_b"]))
        if rows.height != len(emotions) * (len(emotions) - 1) // 2 or len(emotions) < 3:
            continue
        place = {e: i for i, e in enumerate(emotions)}
        rdm, se = np.zeros((2, len(emotions), len(emotions)))
        for r in rows.iter_rows(named=True):
            i, j = place[r["emotion_a"]], place[r["emotion_b"]]
            rdm[i, j] = rdm[j, i] = r["cosine_distance"]
            se[i, j] = se[j, i] = r["cos_cv_se"] or 0.0
        made[model] = (emotions, rdm, se)
    return made


def spreads(rdm: Floats, se: Floats, target: Floats) -> Floats:
    """Covariance of each emotion's place, n x 2 x 2, when the entries move by their standard errors."""
    generator, n = np.random.default_rng(SEED), len(rdm)
    places = np.empty((DRAWS, n, 2))
    for draw in range(DRAWS):
        noise = np.triu(generator.normal(size=(n, n)) * se, 1)
        places[draw] = onto(layout(np.clip(rdm + noise + noise.T, 0, None))[0], target)
    return np.array([np.cov(places[:, i].T) for i in range(n)])


def ellipse(centre: Floats, covariance: Floats) -> Floats:
    """Corners of the ellipse of one standard deviation."""
    values, axes = np.linalg.eigh(covariance)
    turns = np.linspace(0, 2 * np.pi, CORNERS + 1)
    circle = np.stack([np.cos(turns), np.sin(turns)])
    corners: Floats = centre + (axes @ (np.sqrt(np.clip(values, 0, None))[:, None] * circle)).T
    return corners


def section(view: View) -> Section:
    found = rdms(view)
    caption = (
        "Classical multidimensional scaling of each model's RDM at its best_layer_cv, the maps turned onto one another by"
        " generalised Procrustes (turns and mirrors alone). Close together: emotions that a model tells apart little."
        " Ellipses: one standard deviation when every distance moves by its jackknife standard error over topics, each for"
        " itself. Click a name to hide a model. A map of two dimensions leaves out the rest: compare models by the numbers,"
        " not by the eye."
    )
    question = "Where do the emotions lie? (aligned map)"
    sources = [Source("emotion_pairs", view.readout | {"setting": "stories"}, COLUMNS)]
    if not found:
        return Section("map", question, ["Cannot be drawn: no model has a whole RDM."], caption, [], sources)
    maps = [layout(rdm) for _, rdm, _ in found.values()]
    placed = together([points for points, _ in maps])
    shares = listed([f"{share:.0%} for {model}" for model, (_, share) in zip(found, maps, strict=True)])
    names: list[dict[str, Any]] = []
    rims: list[dict[str, Any]] = []
    for (model, (emotions, rdm, se)), points in zip(found.items(), placed, strict=True):
        covariances = spreads(rdm, se, points)
        for emotion, point, covariance in zip(emotions, points, covariances, strict=True):
            names.append({"who": model, "emotion": emotion, "x": float(point[0]), "y": float(point[1])})
            corners = ellipse(point, covariance)
            rims += [
                {"who": model, "emotion": emotion, "n": n, "x": float(x), "y": float(y)} for n, (x, y) in enumerate(corners)
            ]
    words = [f"Two dimensions hold {shares} of the squared distances; the map shows that much and no more."]
    dots = pl.DataFrame(names)
    return Section(
        "map", question, words, caption, [Panel("", figure(view, dots, pl.DataFrame(rims)))], sources, legend(view, dots)
    )


def _about(end: float) -> alt.Scale:
    return alt.Scale(domain=[-end, end], nice=False)


def figure(view: View, dots: pl.DataFrame, rims: pl.DataFrame) -> Any:
    # one unit is as long on both axes: the page makes the drawing as high as `ratio` of its width
    ends = {c: ROOM * max(float(f[c].abs().max() or 0) for f in (dots, rims)) for c in "xy"}  # type: ignore[arg-type]
    x, y = (alt.X("x:Q", axis=None, scale=_about(ends["x"])), alt.Y("y:Q", axis=None, scale=_about(ends["y"])))
    detail = ["who:N", "emotion:N"]
    rim = (
        alt.Chart(rims).mark_line(strokeWidth=1, opacity=0.45).encode(x=x, y=y, color=colours(view), detail=detail, order="n:Q")
    )
    base = alt.Chart(dots).encode(x=x, y=y, tooltip=detail)
    marks = base.mark_point(filled=True, size=60, opacity=0.95).encode(color=colours(view))
    # one name an emotion, at the mean of its places
    mean = dots.group_by("emotion", maintain_order=True).agg(pl.col("x", "y").mean())
    text = alt.Chart(mean).mark_text(dy=-12, fontSize=12, color=INK).encode(x=x, y=y, text="emotion:N")
    lines = alt.Chart(dots.join(mean, on="emotion", suffix="_mean")).mark_rule(opacity=0.35)
    spokes = lines.encode(x=x, y=y, x2="x_mean:Q", y2="y_mean:Q", color=colours(view))
    meta = {"ratio": ends["y"] / ends["x"]}
    drawn = alt.layer(*(layer.transform_filter(SHOWN) for layer in (rim, spokes, marks)), text)
    return drawn.add_params(alt.param(name="hidden", value=[])).properties(usermeta=meta, height=520, **WIDE)
