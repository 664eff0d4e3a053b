"""Maps of both sides in two dimensions, for the exhibits of a report."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import torch

from divmetrics.arrays.draws import drawn_order_of
from divmetrics.arrays.summaries import Rows
from divmetrics.inference.exhibits.maps import PERPLEXITY, STEPS, Plane, columns_plane, principal_plane, tsne_plane
from divmetrics.records.exhibits import Map, Points, ShownSide

MOST_POINTS = 1500
"""Points of each side in a map."""
MOST_FOUND = 100
"""Samples of findings that are shown whether or not they were drawn, of each side."""


def chosen_points(rows: Rows, found: Sequence[int], seed: int) -> list[int]:
    """Places of the samples of one side that are shown, ascending: all, or as many as a map takes.

    Args:
        rows: The samples of that side.
        found: Places of samples that findings show.
        seed: Seed of the draw.
    """
    if rows.n <= MOST_POINTS:
        return list(range(rows.n))
    sure = list(dict.fromkeys(found))[:MOST_FOUND]
    chosen = set(sure)
    drawn = [place for place in drawn_order_of(rows, seed).tolist() if place not in chosen]
    return sorted([*sure, *drawn[: MOST_POINTS - len(sure)]])


def maps_of(
    rows: torch.Tensor, points: Callable[[Plane], Points], counts: Mapping[ShownSide, tuple[int, int]], seed: int
) -> Iterator[Map]:
    """The maps of samples of both sides.

    Args:
        rows: Features `[N, d]` of the samples that are shown.
        points: The points of a plane.
        counts: Side -> how many samples are shown, of how many.
        seed: Seed of what is random.
    """
    of = " and ".join(_counted(side, *count) for side, count in counts.items())
    cut = any(shown < n for shown, n in counts.values())
    some = f" (drawn by the seed {seed}, and those that findings show)" if cut else ""
    if rows.shape[1] <= 2:
        height = "column 1" if rows.shape[1] == 2 else "no meaning: spread by the seed"
        text = f"The features as they are, of {of}{some}."
        yield Map("columns", "column 0", height, text, points(columns_plane(rows, seed)))
        return
    plane = principal_plane(rows, seed)
    shares = plane.shares or (0.0, 0.0)
    labels = [f"component {number} ({share:.1%} of the variance)" for number, share in enumerate(shares, 1)]
    text = (
        f"The first two principal components of {of}{some}, both sides together. Distances are kept as far as two "
        "components can; differences along the others are not seen here."
    )
    yield Map("pca", labels[0], labels[1], text, points(plane))
    text = (
        f"t-SNE (van der Maaten 2014) of {of}{some}, both sides together, seed {seed}, perplexity up to {PERPLEXITY}, "
        f"{STEPS} steps. Neighbours stay neighbours; distances between groups, their sizes and densities mean nothing, "
        "and another seed gives another picture. It is to look at and is no evidence: the verdict does not use it."
    )
    yield Map("tsne", "t-SNE 1", "t-SNE 2", text, points(tsne_plane(rows, seed)))


def _counted(side: str, shown: int, n: int) -> str:
    return f"{shown} of {n} {side} samples" if shown < n else f"{n} {side} samples"
