"""Galleries of findings: the samples that show each of them, beside those of the other side that are nearest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from divmetrics.inference.exhibits.duplicates import duplicate_groups
from divmetrics.inference.exhibits.placed import Placed, PlacedGallery, PlacedRow, PooledRows, times, unlike
from divmetrics.inference.verdict.findings import Found, avoided_samples
from divmetrics.inference.verdict.statistics import FEWEST, neighbourhood_z, usable_scales
from divmetrics.inference.verdict.structures import Partition
from divmetrics.inference.verdict.tested import Tested

ROWS = 12
"""Rows of a gallery at most, where it is not asked for a smaller one."""
EACH = 6
"""Samples of each side in a row."""
GROUP = 10
"""Samples shown of a group of near-duplicates."""
PAIRS = 18
"""Pairs that are made of copies and their originals."""

TITLES: Mapping[str, str] = {
    "dropped_modes": "Missing modes",
    "thinned_modes": "Thinned modes",
    "shrunken_modes": "Modes that are too narrow",
    "narrow": "Real samples that the fake ones avoid",
    "near_duplicates": "Groups of near-duplicates",
    "few_atoms": "Groups of near-duplicates",
    "copies": "Fake samples beside the real ones that they nearly repeat",
    "invented_modes": "Modes that the real samples do not have",
    "low_fidelity": "Fake samples far from the real ones",
}
"""Kind of finding -> heading of its gallery."""


def gallery_of(fault: Found, tested: Tested, rows: PooledRows, seed: int, most: int = ROWS) -> PlacedGallery:
    """The gallery of one finding.

    Args:
        fault: The finding.
        tested: The tests that it follows from.
        rows: Features of the tested samples.
        seed: Seed of what is drawn.
        most: Rows at most; of pairs, which are small, half as many again.
    """
    made = _MAKERS[fault.kind](fault, tested, rows, seed)
    most += most // 2 if fault.kind == "copies" else 0
    shown = made.rows[:most]
    more = f" The first {len(shown)} of {made.total} are shown." if made.total > len(shown) else ""
    return replace(made, kind=fault.kind, title=TITLES[fault.kind], text=f"{made.text}{more}", rows=shown)


def _gallery(text: str, rows: Sequence[PlacedRow], members: Sequence[int], of: int | None = None) -> PlacedGallery:
    """A gallery without its kind and heading, of the first of `of` rows."""
    return PlacedGallery("", "", text, tuple(rows), members, len(rows) if of is None else of)


def reals_and_nearest(rows: PooledRows, real: Sequence[int], title: str) -> PlacedRow:
    """Real samples, and the fake ones that are nearest to them.

    Args:
        rows: Features of the tested samples.
        real: Places of the real samples.
        title: What the row shows.
    """
    apart, fakes = rows.nearest(real, "fake", EACH)
    own, _ = rows.nearest(real, "real")
    shown = []
    for at, place in enumerate(real):
        ratio = float(apart[at, 0] / own[at, 0]) if own.shape[1] and apart.shape[1] and own[at, 0] > 0 else None
        caption = "" if ratio is None else f"its nearest fake sample is {times(ratio)} as far as its nearest real one"
        shown.append(Placed(place, ratio, caption))
    nearest = unlike(fakes.T.ravel().tolist(), EACH)  # the nearest of each first
    return PlacedRow(title, tuple(shown), tuple(map(Placed, nearest)))


def fakes_and_nearest(rows: PooledRows, fake: Sequence[int], title: str) -> PlacedRow:
    """Fake samples, and beside each the real one that is nearest to it.

    Args:
        rows: Features of the tested samples.
        fake: Places of the fake samples.
        title: What the row shows.
    """
    apart, reals = rows.nearest(fake, "real")
    if not apart.shape[1]:
        return PlacedRow(title, (), tuple(map(Placed, fake)))
    own, _ = rows.nearest(reals[:, 0].tolist(), "real")
    shown = []
    for at, place in enumerate(fake):
        ratio = float(apart[at, 0] / own[at, 0]) if own.shape[1] and own[at, 0] > 0 else None
        far = (
            ""
            if ratio is None
            else f"it is {times(ratio)} as far from its nearest real sample as that one is from the next"
        )
        shown.append(Placed(place, ratio, far))
    return PlacedRow(title, tuple(map(Placed, reals[:, 0].tolist())), tuple(shown))


def _partition_of(fault: Found, tested: Tested) -> Partition:
    """The partition whose cells a finding about modes names."""
    partition = tested.structures.partition(fault.partition)
    assert partition is not None  # noqa: S101  findings about modes name one
    return partition


def _called(partition: Partition, cell: int) -> str:
    """The name of a class; clusters have none, as those of the table of modes are others."""
    return partition.names[cell] if partition.name == "classes" else "A region"


def _cells(fault: Found, partition: Partition) -> list[int]:
    number = {name: cell for cell, name in enumerate(partition.names)}
    return [number[name] for name in fault.modes if name in number]


def _of_lost_modes(fault: Found, tested: Tested, rows: PooledRows, seed: int) -> PlacedGallery:  # noqa: ARG001
    """Real samples of modes that lack fake ones."""
    partition = _partition_of(fault, tested)
    real_share, fake_share = partition.shares(tested.is_fake)
    cells = _cells(fault, partition)
    if not cells:  # no single mode stands out: those that lack most
        lost = real_share - fake_share
        cells = [int(cell) for cell in np.argsort(-lost, kind="stable")[:3] if lost[cell] > 0]
    cells.sort(key=lambda cell: float(fake_share[cell] - real_share[cell]))
    least = neighbourhood_z(tested.structures, tested.fake[:1], usable_scales(tested.structures)[-1])[0]
    shown = []
    for cell in cells[:ROWS]:
        members = np.flatnonzero((partition.cell == cell) & ~tested.is_fake)
        chosen = members[np.argsort(least[members], kind="stable")][:EACH].tolist()
        shares = f"{real_share[cell]:.1%} of the real samples, {fake_share[cell]:.1%} of the fake ones"
        shown.append(reals_and_nearest(rows, chosen, f"{_called(partition, cell)}: {shares}"))
    everyone = np.flatnonzero(np.isin(partition.cell, cells) & ~tested.is_fake)
    text = "Real samples of each mode, those with the fewest fake ones around them first, and the fake ones nearest."
    return _gallery(text, shown, everyone.tolist(), len(cells))


def _of_shrunken_modes(fault: Found, tested: Tested, rows: PooledRows, seed: int) -> PlacedGallery:  # noqa: ARG001
    """Samples of both sides from the modes that shrank most."""
    partition = tested.structures.partition("classes") or tested.structures.partitions[0]
    points, rng = tested.structures.points, np.random.default_rng(seed)
    found = []
    for cell in range(len(partition.names)):
        both = [np.flatnonzero((partition.cell == cell) & side) for side in (~tested.is_fake, tested.is_fake)]
        if min(map(len, both)) < FEWEST:
            continue
        real, fake = (float(np.sqrt(points[own].var(0).sum())) for own in both)
        if real > 0:
            found.append((fake / real, _called(partition, cell), both))
    found.sort(key=lambda entry: entry[0])
    shown = []
    for ratio, name, both in found[:ROWS]:
        drawn = [np.sort(rng.choice(own, min(EACH, len(own)), replace=False)).tolist() for own in both]
        shown.append(PlacedRow(f"{name}: {ratio:.2f} times as wide", *(tuple(map(Placed, own)) for own in drawn)))
    text = "Samples drawn by the seed from the modes that shrank most: the fake ones are more alike than the real ones."
    return _gallery(text, shown, (), len(found))


def _of_avoided(fault: Found, tested: Tested, rows: PooledRows, seed: int) -> PlacedGallery:  # noqa: ARG001
    """Real samples that show what fake ones avoid."""
    chosen = avoided_samples(tested, fault.tests)[: 2 * EACH].tolist()
    if "missing_direction" in fault.tests:
        title, which = "Most typical of what is lacking", "most typical of the direction that fake ones lack most"
    else:
        title, which = "Fewest fake samples around", "with the fewest fake ones around them"
    z = neighbourhood_z(tested.structures, tested.fake[:1], usable_scales(tested.structures)[0])[0]
    text = f"Real samples {which}, and the fake ones nearest."
    members = np.flatnonzero(z[: tested.structures.n] < -2)
    return _gallery(text, [reals_and_nearest(rows, chosen, title)], members.tolist())


def _of_duplicates(fault: Found, tested: Tested, rows: PooledRows, seed: int) -> PlacedGallery:  # noqa: ARG001
    """Groups of fake samples that nearly repeat each other."""
    groups, members = duplicate_groups(tested)
    shown = [
        PlacedRow(
            f"{len(group)} samples" + (f", {GROUP} shown" if len(group) > GROUP else ""),
            (),
            tuple(map(Placed, group[:GROUP])),
        )
        for group in groups[:ROWS]
    ]
    text = "Fake samples that nearly repeat each other, the largest groups first."
    return _gallery(text, shown, members, len(groups))


def _of_copies(fault: Found, tested: Tested, rows: PooledRows, seed: int) -> PlacedGallery:  # noqa: ARG001
    """Fake samples beside the real ones that they nearly repeat."""
    places = fault.places[:PAIRS]
    _, reals = rows.nearest(places, "real")
    pairs = [PlacedRow("", (Placed(int(real[0])),), (Placed(fake),)) for fake, real in zip(places, reals, strict=True)]
    text = "Each fake sample beside the real one that is nearest to it, the closest pairs first."
    return _gallery(text, pairs, fault.places, len(fault.places))


def _of_invented_modes(fault: Found, tested: Tested, rows: PooledRows, seed: int) -> PlacedGallery:  # noqa: ARG001
    """Fake samples of modes without real ones."""
    partition = _partition_of(fault, tested)
    _, fake_share = partition.shares(tested.is_fake)
    cells = sorted(_cells(fault, partition), key=lambda cell: -float(fake_share[cell]))
    crowd = neighbourhood_z(tested.structures, tested.fake[:1], usable_scales(tested.structures)[-1])[0]
    shown = []
    for cell in cells[:ROWS]:
        members = np.flatnonzero((partition.cell == cell) & tested.is_fake)
        chosen = members[np.argsort(-crowd[members], kind="stable")][:EACH].tolist()
        shown.append(
            fakes_and_nearest(rows, chosen, f"{_called(partition, cell)}: {fake_share[cell]:.1%} of the fake samples")
        )
    everyone = np.flatnonzero(np.isin(partition.cell, cells) & tested.is_fake)
    text = "Fake samples of each mode, the most typical first, and the real one nearest to each."
    return _gallery(text, shown, everyone.tolist(), len(cells))


def _of_far(fault: Found, tested: Tested, rows: PooledRows, seed: int) -> PlacedGallery:  # noqa: ARG001
    """Fake samples far from all real ones."""
    shown = [fakes_and_nearest(rows, fault.places, "Farthest from the real samples")]
    return _gallery(
        "The fake samples farthest from all real ones, and the real one nearest to each.", shown, fault.places
    )


_MAKERS: Mapping[str, Callable[[Found, Tested, PooledRows, int], PlacedGallery]] = {
    "dropped_modes": _of_lost_modes,
    "thinned_modes": _of_lost_modes,
    "shrunken_modes": _of_shrunken_modes,
    "narrow": _of_avoided,
    "near_duplicates": _of_duplicates,
    "few_atoms": _of_duplicates,
    "copies": _of_copies,
    "invented_modes": _of_invented_modes,
    "low_fidelity": _of_far,
}


def galleries_of(
    found: Sequence[Found], tested: Tested, rows: PooledRows, seed: int, most: int = ROWS
) -> Iterator[PlacedGallery]:
    """A gallery of each finding, in their order, of at most `most` rows each."""
    return (gallery_of(fault, tested, rows, seed, most) for fault in found)
