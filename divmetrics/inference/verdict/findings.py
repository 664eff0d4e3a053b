"""Findings: what the significant tests mean, in words and units, and the samples that show it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from divmetrics.inference.mode_table import STRAYS
from divmetrics.inference.verdict.statistics import (
    COPY,
    EMPTIEST_LEADING,
    TAILS,
    TWIN,
    along_missing_direction,
    cell_z,
    nearest_distances,
    neighbourhood_z,
    usable_scales,
)
from divmetrics.inference.verdict.structures import Partition
from divmetrics.inference.verdict.tested import Tested
from divmetrics.records.printing import listed
from divmetrics.records.verdict import FindingKind

SHOWN = 5
"""Samples shown of a finding, or of each of its modes."""
NAMED = 5
"""Modes named in a sentence."""
CLEARLY_NARROW = 0.85
"""Width of modes, relative to the real ones, up to which it is the first thing to say."""
FEW = 0.1
"""Share of repeated samples below which other findings come first."""
REAL_SHARE, FAKE_SHARE = "share of the real samples", "share of the fake samples"


@dataclass(frozen=True)
class Found:
    """One fault of the generator, its samples given by their places in the pool."""

    kind: FindingKind
    p: float
    """Adjusted p-value."""
    effect: float
    unit: str
    text: str
    tests: tuple[str, ...]
    """Names of the significant tests."""
    strength: float
    """The greatest of their statistics, in standard deviations: the clearest finding comes first."""
    places: tuple[int, ...] = ()
    modes: tuple[str, ...] = ()
    """Names of the cells at fault."""
    partition: str = ""
    """Name of the partition that these are cells of; empty where the finding names none."""
    nearly_gone: bool = False
    """Whether a mode keeps so little of its share that the loss is not one of degree."""


def findings(tested: Tested) -> list[Found]:
    """The faults that the tests find, the clearest first."""
    found = [*_narrow_modes(tested), *_repeated(tested), *_far(tested), *_invented(tested), *_copied(tested)]
    kinds = {fault.kind for fault in found}
    if "few_atoms" in kinds:  # that they are narrow, and form clusters of their own, follows from it
        found = [fault for fault in found if fault.kind not in ("shrunken_modes", "invented_modes")]
    elif "near_duplicates" in kinds and _atoms(tested).any():
        found = _without_what_atoms_explain(found, wide=not tested.significant(["width"]))
    elif "shrunken_modes" in kinds and not tested.significant(["twins"]):
        found = [fault for fault in found if fault.kind != "near_duplicates"]
    narrower = len(tested.significant(["width", "spacing"])) == 2  # else clusters may be wide for the modes they lack
    blurred = {"fine clusters", "coarse clusters"} if narrower else set()
    if "few_atoms" in kinds:  # the clusters are the atoms
        blurred |= {"clusters", "coarse clusters", "fine clusters"}
    modes = list(_modes(tested, blurred))
    if modes and not tested.significant(["width"]):  # fewer modes hold more samples each, which lie closer
        found = [fault for fault in found if fault.kind != "shrunken_modes"]
    found += modes
    found.sort(key=lambda fault: -fault.strength)
    narrow = [fault for fault in found if fault.kind == "shrunken_modes" and fault.effect <= CLEARLY_NARROW]
    if narrow and narrower:  # narrow modes leave the outer clusters of a wide one empty
        found.sort(key=lambda fault: fault.kind != "shrunken_modes")
        if "low_fidelity" not in kinds:  # they fill the middle of those of the real samples
            found = [fault for fault in found if fault.kind != "invented_modes"]
    if not {fault.kind for fault in found} - {"invented_modes"}:
        found += _avoided(tested, blurred)
    return found


def _without_what_atoms_explain(found: Sequence[Found], *, wide: bool) -> list[Found]:
    """Findings without those that follow from samples that are repeated many times: close neighbours, own clusters."""
    (repeats,) = (fault for fault in found if fault.kind == "near_duplicates")
    return [
        fault
        for fault in found
        if not (fault.kind == "shrunken_modes" and wide)
        and not (fault.kind == "invented_modes" and fault.effect <= repeats.effect + FEW)
    ]


def _narrow_modes(tested: Tested) -> Iterator[Found]:
    """Modes that are narrower than those of the real samples."""
    if not (names := tested.significant(["width", "spacing"])):
        return
    factor = float(np.exp(-tested[names[0]].effect))
    if names[0] == "width":
        text = f"Within modes the fake samples are {factor:.2f} times as wide as the real ones."
    else:
        text = f"The fake samples lie {factor:.2f} times as far apart as the real ones."
    yield _found("shrunken_modes", tested, names, factor, "times as wide", text)


def _found(
    kind: FindingKind,
    tested: Tested,
    names: Sequence[str],
    effect: float,
    unit: str,
    text: str,
    places: Iterable[int] = (),
) -> Found:
    """A finding with the smallest p-value, and the greatest statistic, of the significant tests `names`."""
    p, strength = tested.best(names)
    return Found(kind, p, effect, unit, text, tuple(names), strength, tuple(places))


def _repeated(tested: Tested) -> Iterator[Found]:
    """Fake samples that nearly repeat others of their side."""
    names = tested.significant(["repeated", "twins"])
    if not names and _atoms(tested).any():
        names = tested.significant(["spacing"])
    if not names:
        return
    share, places = repeated_samples(tested)
    count = round(share * tested.structures.m)
    text = f"About {count} fake samples, {share:.0%}, nearly repeat another one."
    kind: FindingKind = "few_atoms" if share > 0.5 else "near_duplicates"
    found = _found(kind, tested, names, share, FAKE_SHARE, text, places[: 4 * SHOWN].tolist())
    yield found if share >= FEW else replace(found, strength=0.0)


def own_distances(tested: Tested) -> tuple[np.ndarray, ...]:
    """What `nearest_distances` gives of the data, `[N]` each."""
    return tuple(distance[0] for distance in nearest_distances(tested.structures, tested.fake[:1]))


def _atoms(tested: Tested) -> np.ndarray:
    """Fake samples `[N]` with several others of their side thirty times as near as most real samples have them.

    Of more copies than the lists hold, no other distance is known.
    """
    _, ranked, _ = own_distances(tested)
    return np.asarray(tested.is_fake & (ranked < np.quantile(ranked[~tested.is_fake], TAILS[2]) - TWIN))


def repeated_samples(tested: Tested) -> tuple[float, np.ndarray]:
    """The share of fake samples that nearly repeat another one, beyond that of the real samples, and which they are.

    The second is places in the pool, those nearest to another one first.
    """
    is_fake = tested.is_fake
    first, ranked, other = own_distances(tested)
    relative = first - ranked
    levels = np.quantile(relative, (*TAILS, 0.3, 0.5))
    best, members = 0.0, np.zeros(len(first), bool)
    for low in (*(relative <= level for level in levels), first < other - TWIN, _atoms(tested)):
        excess = float(low[is_fake].mean() - low[~is_fake].mean())
        if excess > best:
            best, members = excess, low & is_fake
    return best, np.flatnonzero(members)[np.argsort(first[members], kind="stable")]


def distinct_share(tested: Tested) -> float:
    """The share of fake samples that is left when each group of repeats counts once, relative to the real samples.

    A group is what hangs together by repeats, each with the nearest of its side and all that are its twins.
    """
    share, places = repeated_samples(tested)
    if not len(places):
        return 1.0
    structures = tested.structures
    neighbours, logs = structures.neighbours[places], structures.log_distance[places]
    first, _, other = (distance[places, None] for distance in own_distances(tested))
    linked = tested.is_fake[neighbours] & (logs <= np.maximum(first, other - TWIN))
    source, target = np.repeat(places, linked.sum(1)), neighbours[linked]
    graph = coo_array((np.ones(len(source), bool), (source, target)), shape=(structures.total, structures.total))
    _, group = connected_components(graph, directed=False)
    members = np.unique(np.concatenate([places, target]))
    return 1 - share * (1 - len(np.unique(group[members])) / len(members))


def _far(tested: Tested) -> Iterator[Found]:
    """Fake samples far from all real ones."""
    if not (names := tested.significant(["far"])):
        return
    first, _, other = own_distances(tested)
    factor = float(np.exp(np.median(other[tested.is_fake]) - np.median(first[~tested.is_fake])))
    text = f"Fake samples lie {factor:.2f} times as far from the nearest real sample as real samples do."
    fakes = np.flatnonzero(tested.is_fake)
    places = fakes[np.argsort(-other[fakes], kind="stable")[:SHOWN]]
    yield _found("low_fidelity", tested, names, factor, "times as far", text, places.tolist())


def _copied(tested: Tested) -> Iterator[Found]:
    """Fake samples that nearly repeat real ones."""
    if not (names := tested.significant(["copied"])):
        return
    first, _, other = own_distances(tested)
    members = np.flatnonzero((other < first - COPY) & tested.is_fake)
    share = len(members) / tested.structures.m
    text = (
        f"{len(members)} fake samples, {share:.0%}, nearly repeat a real one. Whether they are copies of training data "
        "or close by nature cannot be told without real samples that the generator was not trained on (--held-out)."
    )
    places = members[np.argsort(other[members], kind="stable")[: 4 * SHOWN]]
    yield _found("copies", tested, names, share, FAKE_SHARE, text, places.tolist())


@dataclass(frozen=True, eq=False)
class Cells:
    """Cells of a partition with significantly few, or many, fake samples."""

    numbers: np.ndarray  # [c]
    real_share: np.ndarray  # [C], of every cell
    fake_share: np.ndarray  # [C]


def flagged(tested: Tested, partition: Partition, *, too_many: bool = False) -> Cells:
    """Cells whose share is significantly lower among the fake samples, at level alpha for all cells together.

    Args:
        tested: The tests.
        partition: Its cells are looked at.
        too_many: Whether cells with a higher share are looked for instead.
    """
    z = cell_z(partition, tested.fake) * (-1 if too_many else 1)
    least = z.min(1)
    limit = tested.alpha * tested.share
    numbers = [cell for cell, own in enumerate(z[0]) if (least <= own).mean() <= limit]
    return Cells(np.array(numbers, int), *partition.shares(tested.is_fake))


def _modes(tested: Tested, blurred: Collection[str], by: Sequence[str] = ()) -> Iterator[Found]:
    """Missing modes, and thinned ones, by the rule of the table of modes: a missing class has no samples.

    Args:
        tested: The tests.
        blurred: Partitions that do not show modes.
        by: Significant tests that show a loss of mass by themselves. It is a matter of words then whether modes are
            named, and a test of their shares need be significant on its own only.
    """
    found = _clearest_partition(tested, blurred, by)
    if found is None:
        return
    partition, names = found
    cells = flagged(tested, partition)
    nearly = cells.fake_share <= STRAYS * cells.real_share
    gone = nearly if partition.name != "classes" else cells.fake_share == 0
    dropped, thinned = cells.numbers[gone[cells.numbers]], cells.numbers[~gone[cells.numbers]]
    lost = np.clip(cells.real_share - cells.fake_share, 0, None)
    gone_share, thin_share = float(cells.real_share[dropped].sum()), float(lost[thinned].sum())
    if not len(cells.numbers):
        share = float(lost.sum())
        text = (
            f"The shares of the modes differ by {share:.1%} of the whole, more than chance; no single one stands out."
        )
        yield _of_modes("thinned_modes", tested, partition, thinned, names, share, text)
    if len(dropped):
        text = f"Modes with {gone_share:.1%} of the real samples are missing{_listed(partition, dropped)}."
        missing = _of_modes("dropped_modes", tested, partition, dropped, names, gone_share, text)
        yield _behind(missing) if gone_share < thin_share else missing
    if len(thinned):
        text = f"Thinned modes lack {thin_share:.1%} of the samples{_listed(partition, thinned)}."
        few = _of_modes("thinned_modes", tested, partition, thinned, names, thin_share, text)
        few = replace(few, nearly_gone=bool(nearly[thinned].any()))
        yield _behind(few) if gone_share >= thin_share else few


def _clearest_partition(
    tested: Tested, blurred: Collection[str], by: Sequence[str]
) -> tuple[Partition, Sequence[str]] | None:
    """The partition that shows lost mass most clearly, and its significant tests; the classes come before clusters."""
    best: tuple[bool, float] = (False, 0.0)
    chosen: tuple[Partition, Sequence[str]] | None = None
    for partition in tested.structures.partitions:
        tests = [f"emptiest_of_{partition.key}", f"thin_{partition.key}"]
        names = by if by and min(map(tested.own_p, tests)) <= tested.alpha else tested.significant(tests)
        if not names or partition.name in blurred:
            continue
        rank = (partition.name == "classes", tested.best(tests)[1])
        if rank > best:
            best, chosen = rank, (partition, names)
    if (emptiest := _of_leading(tested, blurred)) and (False, tested.best([EMPTIEST_LEADING])[1]) > best:
        return emptiest
    return chosen


def _behind(found: Found) -> Found:
    """The finding of the smaller of two losses that the same tests show, so that the larger one comes first."""
    return replace(found, strength=found.strength - 1.0)


def _of_leading(tested: Tested, blurred: Collection[str]) -> tuple[Partition, Sequence[str]] | None:
    """The clusters of leading components of which the emptiest is the emptiest of all, where that is significant."""
    if not (names := tested.significant([EMPTIEST_LEADING])) or "coarse clusters" in blurred:
        return None
    return min(tested.structures.leading, key=lambda partition: cell_z(partition, tested.fake[:1]).min()), names


def _of_modes(
    kind: FindingKind,
    tested: Tested,
    partition: Partition,
    cells: np.ndarray,
    names: Sequence[str],
    share: float,
    text: str,
) -> Found:
    """A finding about modes, with the real samples that have the fewest fake ones around them."""
    z = neighbourhood_z(tested.structures, tested.fake[:1], usable_scales(tested.structures)[-1])[0]
    shown: list[int] = []
    for cell in cells:
        members = np.flatnonzero((partition.cell == cell) & ~tested.is_fake)
        shown += members[np.argsort(z[members], kind="stable")][:SHOWN].tolist()
    modes = tuple(partition.names[cell] for cell in cells)
    found = _found(kind, tested, names, share, REAL_SHARE, text, shown)
    return replace(found, modes=modes, partition=partition.name)


def _listed(partition: Partition, cells: np.ndarray) -> str:
    """The names of classes; clusters have none that a reader knows."""
    if partition.name != "classes":
        return ""
    return f": {listed([partition.names[cell] for cell in cells], NAMED)}"


def _invented(tested: Tested) -> Iterator[Found]:
    """Modes of fake samples where there are no real ones, by the partition that shows most of them."""
    best = None
    for partition in tested.structures.partitions:
        if not (names := tested.significant([f"fullest_of_{partition.key}"])):
            continue
        cells = flagged(tested, partition, too_many=True)
        strays = STRAYS if partition.name != "classes" else 0
        invented = cells.numbers[cells.real_share[cells.numbers] <= strays * cells.fake_share[cells.numbers]]
        share = float(cells.fake_share[invented].sum())
        if len(invented) and (best is None or share >= best[0]):
            best = share, names, partition, invented
    if best is None:
        return
    share, names, partition, invented = best
    text = f"{share:.1%} of the fake samples form modes that the real ones do not have."
    members = np.flatnonzero(np.isin(partition.cell, invented) & tested.is_fake)
    modes = tuple(partition.names[cell] for cell in invented)
    found = _found("invented_modes", tested, names, share, FAKE_SHARE, text, members[:SHOWN].tolist())
    yield replace(found, modes=modes, partition=partition.name)


def _avoided(tested: Tested, blurred: Collection[str]) -> Iterator[Found]:
    """Regions of real samples with few fake ones: modes where their shares tell, else none that explains it."""
    scales = usable_scales(tested.structures)
    around = [f"{test}_{scale}" for scale in scales for test in ("avoided", "empty")]
    names = tested.significant([*around, "lacking", "missing_direction"])
    if not names or tested.significant(["far"]):  # fakes farther out leave the middle empty
        return
    if modes := list(_modes(tested, blurred, names)):
        yield from modes
        return
    z = neighbourhood_z(tested.structures, tested.fake[:1], scales[0])[0][: tested.structures.n]
    share = float((z < -2).mean())
    text = f"{share:.1%} of the real samples lie where there are few fake ones, though no mode is missing."
    places = avoided_samples(tested, names)[:SHOWN]
    yield _found("narrow", tested, names, share, REAL_SHARE, text, places.tolist())


def avoided_samples(tested: Tested, names: Collection[str]) -> np.ndarray:
    """Places of the real samples, those that show best what fake samples avoid first.

    They are the most typical ones of the direction that fake samples lack, where the test of that is among the
    significant ones, `names`; else those with the fewest fake samples around them.
    """
    if "missing_direction" in names:
        return np.argsort(-along_missing_direction(tested.structures), kind="stable")
    z = neighbourhood_z(tested.structures, tested.fake[:1], usable_scales(tested.structures)[0])[0]
    return np.argsort(z[: tested.structures.n], kind="stable")
