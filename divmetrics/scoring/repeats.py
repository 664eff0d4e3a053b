"""Samples that the ranks of a distributed run hold twice: those of a sampler that pads, or of ranks with one seed."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np

from divmetrics.sources import Source, Stream, UnreadableSample

Share = Sequence[bytes]
"""A digest of each sample of one rank, in the order in which it came."""


@dataclass
class Watch:
    """Digests of the samples that pass on this rank."""

    digests: list[bytes] = field(default_factory=list)

    def on(self, source: Source | Stream) -> Source | Stream:
        """`source`, its samples noted: now, or as a stream gives them."""
        if not isinstance(source, Source):
            return _Watched(source, self)
        self.digests += source.fingerprints(range(len(source))) or [_digest_at(source, i) for i in range(len(source))]
        return source


class _Watched(Stream):
    """A stream that notes a digest of each sample."""

    def __init__(self, stream: Stream, watch: Watch) -> None:
        self.name, self.kind, self._stream, self._watch = stream.name, stream.kind, stream, watch

    def __iter__(self) -> Iterator[tuple[np.ndarray, str | None]]:
        for sample, label in self._stream:
            self._watch.digests.append(_digest(sample))
            yield sample, label


def _digest_at(source: Source, place: int) -> bytes:
    try:
        return _digest(source.read([place])[0])
    except UnreadableSample as error:
        return str(error).encode()


def _digest(sample: np.ndarray) -> bytes:
    kind = f"{sample.dtype.str}{sample.shape}".encode()
    return hashlib.blake2b(kind + np.ascontiguousarray(sample).tobytes(), digest_size=16).digest()


def repeated(shares: Sequence[Share]) -> str:
    """In words, which samples the ranks hold twice by the way they were dealt out; empty where there are none.

    Samples that happen to be equal are no matter of the ranks: a collapsed generator makes them, too.

    Args:
        shares: For each rank, a digest of each of its samples.

    Example:
        >>> data = [bytes([i]) for i in range(5)]
        >>> repeated([data[0::2], data[1::2]])
        ''
        >>> padded = data + data[:1]  # as DistributedSampler gives two ranks three samples each
        >>> repeated([padded[0::2], padded[1::2]]).partition(":")[0]
        'the last 1 of the 6 samples of all ranks repeat the first'
    """
    total = sum(map(len, shares))
    distinct = len(set(chain.from_iterable(shares)))
    if len(shares) < 2 or distinct == total:
        return ""
    copies = [rank for rank in range(1, len(shares)) if shares[rank] and shares[rank] == shares[0]]
    if not copies and (padding := _padding(shares)):
        return (
            f"the last {padding} of the {total} samples of all ranks repeat the first: the sampler pads, so that all "
            "ranks get equally many (DistributedSampler, accelerate), and those samples count twice. Give each rank a "
            "share of its own, Subset(data, range(rank, len(data), ranks)), or let the ranks share a source: "
            "meter.take(side, open_source(data))."
        )
    alike = copies or [rank for rank in range(1, len(shares)) if _mostly_in(shares[rank], shares[:rank])]
    if not alike:
        return ""
    ranks = ", ".join(map(str, alike))
    return (
        f"most samples of rank {ranks} are those of an earlier rank, and count twice: seed each rank differently, or "
        "add gathered batches on one rank only."
    )


def _mostly_in(share: Share, others: Sequence[Share]) -> bool:
    known = set(chain.from_iterable(others))
    return 2 * sum(digest in known for digest in share) > len(share) > 1


def _padding(shares: Sequence[Share]) -> int:
    """Samples at the end that repeat the beginning, in the order before they were dealt out; 0 where none do.

    Samplers deal out single samples (DistributedSampler) or whole batches (accelerate), the same number to each rank,
    and fill the last round with samples from the beginning.
    """
    ranks, share = len(shares), len(shares[0])
    if any(len(other) != share for other in shares):
        return 0
    for batch in (size for size in range(1, share + 1) if share % size == 0):
        dealt = [
            digest
            for start in range(0, share, batch)
            for rank in range(ranks)
            for digest in shares[rank][start : start + batch]
        ]
        padding = _border(dealt)
        counts = Counter(dealt[: len(dealt) - padding])
        once = sum(counts[digest] == 1 for digest in dealt[:padding])
        # most of them occur once before: equal samples of a collapsed generator are not taken for padding
        if 0 < padding < ranks * batch and 2 * once > padding:
            return padding
    return 0


def _border(values: Share) -> int:
    """Length of the longest beginning of `values`, shorter than all of them, that is also their end."""
    lengths = [0] * len(values)
    for place in range(1, len(values)):
        length = lengths[place - 1]
        while length and values[place] != values[length]:
            length = lengths[length - 1]
        lengths[place] = length + (values[place] == values[length])
    return lengths[-1] if lengths else 0
