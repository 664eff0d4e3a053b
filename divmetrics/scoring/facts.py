"""What is exactly so of the samples before anything is measured: copies within and between the sides, and looks that
differ between them. Nothing is said where the sides agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import gcd, sqrt

import numpy as np

from divmetrics.records.facts import Fact
from divmetrics.records.printing import listed
from divmetrics.scoring.collected import Collected
from divmetrics.scoring.plan import HELD_OUT, SideName
from divmetrics.sources import Look, Traits

SHOWN = 3
"""Most values of a side, and most samples, that a fact names."""
COMMON = 0.01
"""Share of copies among the reals from which they are a fact of their own."""
LEAST, SIGMAS = 0.02, 4.0
"""Shares differ where they do by this much and by that many standard deviations of chance, or are 0 and 1."""
FAR = 0.1
"""Least distance of Kolmogorov and Smirnov of sizes that are not alike."""
DARK = 16
"""Largest of 255 values that 12 of 16 bits reach."""
_WORDS = {"real": "real", "fake": "fake", "held_out": "held-out"}


@dataclass(frozen=True)
class _Side:
    """One side with its name."""

    name: str
    paths: Sequence[str]
    traits: Traits

    @property
    def word(self) -> str:
        """What sentences call it."""
        return _WORDS[self.name]

    @property
    def looks(self) -> list[Look]:
        """Looks of its images."""
        return [look for look in self.traits.looks if look is not None]

    def path(self, place: int) -> str:
        """Name of a sample."""
        return self.paths[place] if place < len(self.paths) else f"#{place}"


def facts_of(collected: Mapping[SideName, Collected]) -> tuple[Fact, ...]:
    """The facts of a comparison.

    Args:
        collected: Each side's samples.

    Returns:
        Copies first, then how the sides differ; a side whose samples are not known gives no facts.
    """
    sides = {name: _Side(name, one.paths, one.traits) for name, one in collected.items() if one.traits}
    real, fake, held_out = (sides.get(name) for name in ("real", "fake", HELD_OUT))
    found: list[Fact] = []
    if real and fake:
        found += _same_samples(fake, real) or [*_copies_between(fake, real)]
    for other in (real, fake):
        if held_out and other:
            found += _same_samples(held_out, other) or [*_copies_between(held_out, other)]
    if fake:
        found += _copies_within(fake, real)
    if real and not any(fact.to == fact.side for fact in found):
        found += [fact for fact in _copies_within(real, None) if fact.count >= COMMON * len(real.traits)]
    for other in (real, fake, held_out):
        found += _nearly_black(other) if other else ()
    if real and fake and real.looks and fake.looks:
        found += _differences(fake, real)
    return tuple(found)


# Copies

Digests = Callable[[_Side], Sequence[bytes]]


def _digests(side: _Side, others: Sequence[_Side]) -> Iterator[tuple[str, str, str, Digests]]:
    """(kind, noun, adjective, digests of a side), the strictest equality first, for sides that all have them."""
    if all(one.traits.files for one in (side, *others)):
        yield "identical_files", "files", "byte-identical", lambda one: one.traits.files
    if side.looks:
        yield "identical_images", "images", "identical in every pixel", lambda one: one.traits.contents
    else:
        yield "identical_rows", "rows", "identical in every number", lambda one: one.traits.contents


def _same_samples(side: _Side, other: _Side) -> list[Fact]:
    """The fact that two sides hold the same samples, if they do."""
    n = len(side.traits)
    if Counter(side.traits.contents) != Counter(other.traits.contents):
        return []
    text = (
        f"{other.word} and {side.word} hold the same {n} samples: one set was given twice, and the numbers compare it "
        "with itself."
    )
    return [Fact("same_samples", side.name, n, text, n, other.name)]


def _copies_between(side: _Side, other: _Side) -> Iterator[Fact]:
    """Samples of `side` that are also samples of `other`."""
    told = 0
    for kind, noun, equal, digests in _digests(side, [other]):
        there = {digest: place for place, digest in reversed(list(enumerate(digests(other))))}
        found = [place for place, digest in enumerate(digests(side)) if digest in there]
        if len(found) <= told:
            continue
        told = len(found)
        pairs = [(side.path(place), other.path(there[digests(side)[place]])) for place in found[:SHOWN]]
        text = (
            f"{told} of {len(side.traits)} {side.word} {noun} {_are(told)} {equal} to {other.word} ones: "
            f"{_for_example(told)}{side.word} {pairs[0][0]} and {other.word} {pairs[0][1]}."
        )
        names = tuple(name for pair in pairs for name in pair)
        yield Fact(kind, side.name, told, text, len(side.traits), other.name, names)


def _copies_within(side: _Side, reference: _Side | None) -> Iterator[Fact]:
    """Samples of `side` that have an equal one on the same side, with the number of them on the reference's."""
    told = 0
    for kind, noun, equal, digests in _digests(side, [reference] if reference else []):
        groups: dict[bytes, list[int]] = {}
        for place, digest in enumerate(digests(side)):
            groups.setdefault(digest, []).append(place)
        copies = sorted((group for group in groups.values() if len(group) > 1), key=len, reverse=True)
        count = sum(map(len, copies))
        if count <= told:
            continue
        told = count
        beside = ""
        if reference:
            counts = Counter(digests(reference))
            like = sum(number for number in counts.values() if number > 1)
            beside = f"; of the {len(reference.traits)} {reference.word} {noun} {like} {_are(like)}"
        text = (
            f"{told} of {len(side.traits)} {side.word} {noun} {_are(told)} {equal} to another {side.word} one, which "
            f"leaves {len(groups)} different ones{beside}. The largest group has {len(copies[0])}, like "
            f"{side.path(copies[0][0])}."
        )
        names = tuple(side.path(place) for place in copies[0][:SHOWN])
        yield Fact(kind, side.name, told, text, len(side.traits), side.name, names)


# Looks


def _nearly_black(side: _Side) -> Iterator[Fact]:
    """The fact that most images of a side have no bright pixel."""
    levels = [look.brightest for look in side.looks if look.brightest is not None]
    dark = [level for level in levels if level <= DARK]
    if 2 * len(dark) < len(levels) or not dark:
        return
    deep = any((look.bits or 8) > 8 for look in side.looks)
    cause = "values of 12 bits or fewer in files of 16 bits" if deep else "values of another range, such as 0 and 1"
    text = (
        f"{len(dark)} of {len(levels)} {side.word} images are nearly black, with no value above {max(dark)} of 255, as "
        f"from {cause}: stretch them to the full range."
    )
    yield Fact("nearly_black", side.name, len(dark), text, len(levels))


def _differences(fake: _Side, real: _Side) -> Iterator[Fact]:
    """How the images of the sides differ, apart from what they show."""
    for kind, flag, what, advice in _FLAGS:
        yield from _flag_difference(kind, flag, what, advice, fake, real)
    for kind, value, name, advice in _VALUES:
        yield from _value_difference(kind, value, name, advice, fake, real)


_FLAGS: Sequence[tuple[str, Callable[[Look], bool | None], str, str]] = (
    (
        "transparency",
        lambda look: look.transparent,
        "have transparent pixels",
        "Alpha is dropped, so what lies hidden below it counts; put both sides on one background",
    ),
    ("grey", lambda look: look.grey, "hold no colour", "Networks see that; give both sides in colour or both in grey"),
    (
        "enlarged",
        lambda look: None if look.repeats is None else look.repeats > 1,
        "are enlarged by repeating pixels",
        "Compare both sides at the size at which they were made",
    ),
)
"""Kind, what is counted, what sentences say of it, and what to do."""


def _flag_difference(
    kind: str, flag: Callable[[Look], bool | None], what: str, advice: str, fake: _Side, real: _Side
) -> Iterator[Fact]:
    """The fact that more images of one side than of the other are of some nature."""
    flags = {side: [known for look in side.looks if (known := flag(look)) is not None] for side in (fake, real)}
    if not all(flags.values()):
        return
    counts = {side: (sum(known), len(known)) for side, known in flags.items()}
    if not _shares_differ(*counts[fake], *counts[real]):
        return
    more, less = sorted((fake, real), key=lambda side: counts[side][0] / counts[side][1], reverse=True)
    (count, n), (fewer, m) = counts[more], counts[less]
    text = f"{count} of {n} {more.word} images {what}, {fewer} of {m} {less.word} ones. {advice}."
    yield Fact(kind, more.name, count, text, n, less.name)


def _plain_mode(look: Look) -> str | None:
    """Colour mode without the differences that are facts of their own, or none once the image is read."""
    if look.mode is None:
        return None
    plain = look.mode.startswith(("I", "L", "RGB", "F")) and look.mode != "LAB"
    return "RGB or grey" if plain else look.mode


def _ratio(look: Look) -> str | None:
    """Width over height: `4:3`, or a number where that would not be short."""
    if not look.width or not look.height:
        return None
    common = gcd(look.width, look.height)
    short = (look.width // common, look.height // common)
    return f"{short[0]}:{short[1]}" if max(short) <= 21 else f"{look.width / look.height:.2f}:1"


_VALUES: Sequence[tuple[str, Callable[[Look], str | None], str, str]] = (
    (
        "size",
        lambda look: f"{look.width} x {look.height}" if look.width else None,
        "size",
        "Resizing leaves traces that networks see; resize both sides alike",
    ),
    (
        "aspect",
        _ratio,
        "width : height",
        "Most networks squeeze images into a square; crop both sides alike",
    ),
    (
        "format",
        lambda look: "JPEG" if look.format == "MPO" else look.format,  # of some cameras: JPEG with several images
        "file format",
        "Lossy compression leaves traces that networks see; save both sides alike",
    ),
    ("jpeg_quality", lambda look: look.quality, "JPEG quality", "Save both sides at one quality, or without loss"),
    ("colour_mode", _plain_mode, "colour mode", "Palettes and conversions change colours; save both sides alike"),
    (
        "bit_depth",
        lambda look: None if look.bits is None else str(look.bits),
        "bits a channel",
        "Both are read as 8 bits of the full range; check that both sides use it",
    ),
)
"""Kind, the value that is compared, its name, and what to do."""


def _value_difference(
    kind: str, value: Callable[[Look], str | None], name: str, advice: str, fake: _Side, real: _Side
) -> Iterator[Fact]:
    """The fact that the values of one side are not those of the other."""
    known = {side: [look for look in side.looks if value(look) is not None] for side in (fake, real)}
    if not all(known.values()):
        return
    counts = {side: Counter(str(value(look)) for look in looks) for side, looks in known.items()}
    n, m = len(known[fake]), len(known[real])
    apart = any(_shares_differ(counts[fake][one], n, counts[real][one], m) for one in counts[fake] | counts[real])
    if not apart and not (kind in _SCALES and _scales_differ(*([*map(_SCALES[kind], known[s])] for s in (fake, real)))):
        return
    own = sum(number for one, number in counts[fake].items() if one not in counts[real])
    text = f"{name}: fake {_described(counts[fake])}; real {_described(counts[real])}. {advice}."
    values = {side.name: dict(counts[side].most_common()) for side in (fake, real)}
    yield Fact(kind, "fake", own, text, n, "real", values=values)


_SCALES: Mapping[str, Callable[[Look], float]] = {
    "size": lambda look: (look.width or 1) * (look.height or 1),
    "aspect": lambda look: (look.width or 1) / (look.height or 1),
}
"""Kinds with an order, in which sides of images of many sizes are compared as a whole."""


def _shares_differ(count: int, n: int, other: int, m: int) -> bool:
    """Whether `count` of `n` and `other` of `m` differ by more than chance and by more than a trifle."""
    share, reference = count / n, other / m
    if {share, reference} == {0.0, 1.0}:
        return True
    pooled = (count + other) / (n + m)
    chance = sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    return abs(share - reference) >= max(LEAST, SIGMAS * chance)


def _scales_differ(first: Sequence[float], second: Sequence[float]) -> bool:
    """Whether two samples of numbers differ by the statistic of Kolmogorov and Smirnov, at one in 10,000."""
    a, b = np.sort(first), np.sort(second)
    every = np.concatenate([a, b])
    shares = [np.searchsorted(one, every, side="right") / len(one) for one in (a, b)]
    distance = float(np.abs(shares[0] - shares[1]).max())
    return distance == 1.0 or distance > max(FAR, 2.23 * sqrt(1 / len(a) + 1 / len(b)))


def _described(counts: Counter[str]) -> str:
    """The most frequent values with their numbers."""
    if len(counts) == 1:
        (value, count), *_ = counts.items()
        return f"{value} (all {count})"
    return listed([f"{value} ({count} of {counts.total()})" for value, count in counts.most_common()], SHOWN)


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _for_example(count: int) -> str:
    return "for example " if count > 1 else ""
