"""`Collected`: the summaries of one set of samples, and the `.dms` file that keeps them.

A `.dms` file is safetensors: tensors named `EXTRACTOR/LAYER/SUMMARY/FIELD`, everything else as JSON in its header.
It is written whole or not at all, and reading it executes nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Self, TypeVar, cast

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from divmetrics.arrays.summaries import SUMMARIES, Failed, Rows, Sample, Summary, merged
from divmetrics.errors import MeasureError, MissingLayer, SourceError, TooFewSamples
from divmetrics.records.extractor import Layer
from divmetrics.records.files import atomic
from divmetrics.records.options import check_count
from divmetrics.records.results import Side
from divmetrics.sources import Traits, chosen_by_seed

SCHEMA = "divmetrics.samples/1"
STORED = cast("Layer", "stored")
"""Layer of a mean and covariance that came with the samples: `fid` compares it in place of their `pooled` features."""
S = TypeVar("S", bound=Summary)


@dataclass(frozen=True)
class EncoderInfo:
    """The encoder that made the features, as a signature and a report describe it."""

    digest: str
    preprocessing: str
    engine: str
    protocol: str | None = None

    def difference(self, other: EncoderInfo) -> str:
        """In words, what keeps features of the two from being compared; empty where nothing does.

        They must come from the same weights and the same preprocessing. The engine may differ, and nothing is known of
        features that were given as arrays, nor of statistics of another tool.
        """
        if not self.digest or not other.digest:
            return ""
        differences = []
        if self.digest != other.digest:
            differences.append(f"weights {self.digest[:8]} and {other.digest[:8]}")
        if self.preprocessing != other.preprocessing:
            differences.append(f"preprocessing {self.preprocessing} and {other.preprocessing}")
        return ", ".join(differences)


@dataclass(frozen=True)
class Collected:
    """One set of samples as a value: its summaries, encoders, sample names and classes; the content of a `.dms` file.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> import divmetrics as dm
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name, n in (("a", 2), ("b", 1)):
        ...         _ = dm.extract(np.ones((n, 3)), f"{folder}/{name}.dms")
        ...     a, b = (Collected.load(f"{folder}/{name}.dms") for name in "ab")
        >>> both = a.merge(b)
        >>> both.side.n, both.paths
        (3, ('#0', '#1', '#0'))
    """

    side: Side
    """Source, number of samples, digest, classes, and the samples that could not be read."""
    encoders: Mapping[str, EncoderInfo]
    """Name of the extractor -> the encoder that made its features."""
    summaries: Mapping[tuple[str, Layer, str], Summary] = field(repr=False)
    """(extractor, layer, name of the summary class) -> summary."""
    paths: tuple[str, ...] = field(default=(), repr=False)
    """Name of each sample in reports, in the order of the rows; empty where they have none."""
    labels: tuple[str, ...] | None = field(default=None, repr=False)
    """The class of each sample, in the order of the rows."""
    traits: Traits = field(default_factory=Traits, repr=False, compare=False)
    """Digest and look of each sample, in the order of the rows; empty where they are not known."""

    @property
    def layers(self) -> dict[str, set[Layer]]:
        """Extractor -> layers of which there are summaries."""
        layers: dict[str, set[Layer]] = {name: set() for name in self.encoders}
        for extractor, layer, _ in self.summaries:
            if layer != STORED:
                layers[extractor].add(layer)
        return layers

    @property
    def stored(self) -> dict[tuple[str, Layer, str], Summary]:
        """The mean and covariance that came with the samples, as in `summaries`."""
        return {key: summary for key, summary in self.summaries.items() if key[1] == STORED}

    def get(self, extractor: str, layer: Layer, kind: type[S]) -> S:
        """One summary: as collected, or made from the rows where those were kept.

        Args:
            extractor: Name of the extractor.
            layer: Layer of its features, such as `pooled`.
            kind: Class of the summary.

        Raises:
            MissingLayer: Neither that summary nor the rows of the layer were kept.
            FeatureError: These samples have no such summary.
        """
        summary = self.summaries.get((extractor, layer, kind.__name__))
        if isinstance(summary, Failed):
            raise summary.exception
        if summary is None and (rows := self.summaries.get((extractor, layer, "Rows"))) is not None:
            assert isinstance(rows, Rows)  # noqa: S101
            summary = kind.of(rows.features, rows.index)
        if summary is None:
            raise MissingLayer(self._lacks(layer))
        assert isinstance(summary, kind)  # noqa: S101
        return summary

    def _lacks(self, layer: Layer) -> str:
        """That and why a summary cannot be made, for users."""
        source = self.side.source
        if self.side.n is None:
            return f"{source} holds a mean and a covariance, which serve fid only; give the samples behind them."
        why = f"was collected for other metrics and holds no {layer} features of single samples"
        return f"{source} {why}; collect or extract it again."

    def header(self) -> dict[str, Any]:
        """Everything but the summaries, as plain JSON."""
        encoders = {name: vars(info) for name, info in self.encoders.items()}
        return {
            "side": self.side.to_json(),
            "encoders": encoders,
            "paths": self.paths,
            "labels": self.labels,
            "traits": self.traits.to_json(),
        }

    @classmethod
    def from_header(
        cls, header: Mapping[str, Any], parts: Mapping[tuple[str, Layer, str], Mapping[str, Any]]
    ) -> Collected:
        """The inverse of `header`, with the fields of the summaries."""
        return cls(
            side=Side.from_json(header["side"]),
            encoders={name: EncoderInfo(**info) for name, info in header["encoders"].items()},
            summaries={key: (Failed if "reason" in kept else SUMMARIES[key[2]])(**kept) for key, kept in parts.items()},
            paths=tuple(header["paths"]),
            labels=None if header["labels"] is None else tuple(header["labels"]),
            traits=Traits.from_json(header["traits"]) if "traits" in header else Traits(),
        )

    def merge(self, other: Self) -> Self:
        """Both sets as one.

        Args:
            other: The samples that come after those of this set.

        Returns:
            The summaries, names and classes of both; summaries that only one set has are left out.

        Raises:
            SourceError: Different extractors, weights or preprocessing made the two.
        """
        placed = [s for s in self.summaries.values() if isinstance(s, (Rows, Sample)) and s.n]
        last = (max(s.n, int(s.index.max()) + 1) for s in placed)
        return self._joined(other.shifted(max(last, default=0)), one_source=False)

    def merge_shard(self, other: Self) -> Self:
        """The shards of one set that two ranks hold, in rank order; samples keep their places in the set."""
        return self._joined(other, one_source=True)

    def _joined(self, other: Self, *, one_source: bool) -> Self:
        if 0 in (self.side.n, other.side.n):
            filled = other if self.side.n == 0 else self
            return replace(filled, side=replace(filled.side, skipped=self.side.skipped + other.side.skipped))
        self._check_same_encoders(other)
        common = sorted((self.summaries.keys() & other.summaries.keys()) - self.stored.keys())  # those are of one set
        return replace(
            self,
            side=_joined_sides(self.side, other.side, one_source=one_source),
            summaries={key: merged(self.summaries[key], other.summaries[key]) for key in common},
            paths=self.paths + other.paths,
            labels=None if self.labels is None or other.labels is None else self.labels + other.labels,
            traits=self.traits + other.traits if self.traits and other.traits else Traits(),
        )

    def _check_same_encoders(self, other: Self) -> None:
        """Raise SourceError where different networks made the two sets."""
        names = f"{self.side.source} and {other.side.source}"
        if self.encoders.keys() != other.encoders.keys():
            made = f"{', '.join(sorted(self.encoders))} and {', '.join(sorted(other.encoders))}"
            raise SourceError(f"{names} were made by different extractors: {made}.")
        for name, info in self.encoders.items():
            if difference := info.difference(other.encoders[name]):
                raise SourceError(f"{names} were made by different extractors: {name} with {difference}.")

    def shifted(self, places: int) -> Self:
        """The same samples, their places in the whole set increased by `places`."""
        summaries = {
            key: replace(summary, index=summary.index + places) if isinstance(summary, (Rows, Sample)) else summary
            for key, summary in self.summaries.items()
        }
        return replace(self, summaries=summaries)

    def only_rows(self) -> Self:
        """The same samples without the summaries that can be computed from the rows."""
        rows = {key: summary for key, summary in self.summaries.items() if isinstance(summary, Rows)}
        return replace(self, summaries={**rows, **self.stored})

    def drawn(self, num: int, seed: int) -> Self:
        """A random subset, drawn without replacement.

        Args:
            num: How many samples to draw.
            seed: Seed of the draw, which takes the same samples as `--num` does from their source.

        Returns:
            The drawn samples in their order.

        Raises:
            UsageError: `num` or `seed` is no such number.
            TooFewSamples: There are fewer than `num`.
            MissingLayer: Only means or counts were kept of some features, not the rows of the samples.

        Example:
            >>> import numpy as np
            >>> import divmetrics as dm
            >>> meter = dm.Meter("recall")
            >>> meter.add("fake", np.random.default_rng(0).normal(size=(50, 2)))
            >>> meter.collected("fake").drawn(20, seed=0).side.n
            20
        """
        check_count("num", num)
        check_count("seed", seed, least=0)
        n = self.side.n
        if n is None or n < num:
            there = "statistics without single samples" if n is None else f"{n} samples"
            raise TooFewSamples(f"{self.side.source} has {there}, {num} were wanted; lower --num or add samples.")
        if n == num:
            return self
        return self.at(torch.from_numpy(chosen_by_seed(n, num, seed)))

    def at(self, chosen: Tensor) -> Self:
        """The samples at some places `[num]`, in that order. Raises MissingLayer where single rows were not kept."""
        rows = {key: summary for key, summary in self.summaries.items() if isinstance(summary, Rows)}
        if lost := {key[:2] for key in self.summaries} - {key[:2] for key in (*rows, *self.stored)}:
            what = ", ".join(f"{layer} of {extractor}" for extractor, layer in sorted(lost))
            raise MissingLayer(
                f"{self.side.source} holds no single rows ({what}), so {len(chosen)} of its {self.side.n} samples "
                "cannot be drawn; extract it again, or leave intervals on (--ci-level)."
            )
        labels = None if self.labels is None else tuple(self.labels[i] for i in chosen.tolist())
        digest = self.side.digest and hashlib.sha256(self.side.digest.encode() + chosen.numpy().tobytes()).hexdigest()
        counts = None if labels is None else dict(sorted(Counter(labels).items()))
        return replace(
            self,
            side=replace(self.side, n=len(chosen), digest=digest and f"sha256:{digest}", labels=counts),
            summaries={**{key: _taken(summary, chosen) for key, summary in rows.items()}, **self.stored},
            paths=tuple(self.paths[i] for i in chosen.tolist()) if self.paths else (),
            labels=labels,
            traits=self.traits.at(chosen.tolist()) if self.traits else self.traits,
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a `.dms` file, whole or not at all.

        Args:
            path: The file; an existing one is replaced.
        """
        save(path, {"samples": self})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a `.dms` file that `extract` or `save` wrote. Nothing in it is executed.

        Args:
            path: The file.

        Raises:
            SourceError: The file is missing or damaged, or holds the two sides of a `Meter`.
        """
        sides, _ = load(path)
        if list(sides) != ["samples"]:
            raise SourceError(f"{path} holds {' and '.join(sides)}, not one set of samples; read it with Meter.load.")
        return cast("Self", sides["samples"])


def _taken(rows: Rows, chosen: Tensor) -> Rows:
    """The chosen rows, numbered anew: as if the others had not been in the source."""
    return replace(rows.take(chosen.to(rows.features.device)), index=torch.arange(len(chosen)))


def save(path: str | os.PathLike[str], sides: Mapping[str, Collected], meta: Mapping[str, Any] | None = None) -> None:
    """Write named sets of samples and `meta`, plain JSON, to one `.dms` file, whole or not at all."""
    tensors: dict[str, Tensor] = {}
    scalars: dict[str, Any] = {}
    for name, side in sides.items():
        for (extractor, layer, kind), summary in side.summaries.items():
            for part in fields(summary):
                value = getattr(summary, part.name)
                if value is None and part.default is None:  # what a reader takes where it is left out
                    continue
                kept = tensors if isinstance(value, Tensor) else scalars
                kept[f"{name}/{extractor}/{layer}/{kind}/{part.name}"] = (
                    value.cpu().contiguous() if isinstance(value, Tensor) else value
                )
    header = {
        "schema": SCHEMA,
        "sides": {name: side.header() for name, side in sides.items()},
        "scalars": scalars,
        "meta": meta or {},
    }
    text = json.dumps(header)
    try:
        with atomic(path) as temporary:
            save_file(tensors, temporary, metadata={"header": text, "checksum": _checksum(text, tensors)})
    except SafetensorError as error:  # what it makes of a full disk
        raise MeasureError(f"{path} cannot be written: {error}; free some space, or choose another place.") from None


def load(path: str | os.PathLike[str]) -> tuple[dict[str, Collected], dict[str, Any]]:
    """The named sets and the `meta` of a `.dms` file. Raises SourceError where it is missing or damaged."""
    if not Path(path).is_file():
        raise SourceError(f"there is no file {path}; make it with divmetrics extract.")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  not a mapping
        header = json.loads(metadata.get("header", "{}"))
        if not isinstance(header, dict) or header.get("schema") != SCHEMA:
            found = header.get("schema") if isinstance(header, dict) else None
            raise SourceError(f"{path} has schema {found!r}, wanted {SCHEMA!r}; make it again.")
        if metadata.get("checksum") != _checksum(metadata["header"], tensors):
            raise ValueError("its checksum is another one, or missing")
        return _sides_of(header, tensors), dict(header["meta"])
    except SourceError:
        raise
    except Exception as error:  # a damaged or foreign file can be wrong in any way
        fact = str(error).strip().splitlines() or [type(error).__name__]
        raise SourceError(f"{path} is damaged or no .dms file ({fact[0][:100]}); make it again.") from None


def _sides_of(header: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> dict[str, Collected]:
    """The named sets in a file."""
    parts: dict[str, dict[tuple[str, Layer, str], dict[str, Any]]] = {name: {} for name in header["sides"]}
    for name, value in {**header["scalars"], **tensors}.items():
        side, _, rest = name.partition("/")
        extractor, layer, kind, part = rest.rsplit("/", 3)  # an extractor's name may hold slashes of its own
        parts[side].setdefault((extractor, cast("Layer", layer), kind), {})[part] = value
    return {name: Collected.from_header(entry, parts[name]) for name, entry in header["sides"].items()}


def _checksum(header: str, tensors: Mapping[str, Tensor]) -> str:
    """Hash of all that a file says: the header, and name, type, shape and numbers of each tensor."""
    whole = hashlib.blake2b(header.encode(), digest_size=16)
    for name, tensor in sorted(tensors.items()):
        whole.update(f"|{name}|{tensor.dtype}|{list(tensor.shape)}|".encode())
        whole.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return whole.hexdigest()


def _joined_sides(first: Side, second: Side, *, one_source: bool) -> Side:
    """The side of both sets together: parts of one source on several ranks, or two sources."""
    source, digest = f"{first.source}+{second.source}", None
    if one_source and (first.source, first.digest) == (second.source, second.digest):
        source, digest = first.source, first.digest
    elif first.digest and second.digest:
        digest = "sha256:" + hashlib.sha256(f"{first.digest}+{second.digest}".encode()).hexdigest()
    labels, labelled = None, 0
    if first.labels is None or second.labels is None:
        labelled = sum(sum((side.labels or {}).values()) or side.labelled for side in (first, second))
    else:
        names = sorted({*first.labels, *second.labels})
        labels = {name: first.labels.get(name, 0) + second.labels.get(name, 0) for name in names}
    n = None if first.n is None or second.n is None else first.n + second.n
    return Side(source, n, digest, labels, first.skipped + second.skipped, labelled)
