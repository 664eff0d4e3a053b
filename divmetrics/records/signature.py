"""`Signature`: everything that must agree before two numbers may be compared, as one line of text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from divmetrics.errors import UsageError


@dataclass(frozen=True)
class Signature:
    """What must agree before two numbers may be compared. `str(signature)` is its one-line form.

    Example:
        >>> text = "recall|efficientnet-lite0#57934424|pooled|bicubic-aa-224|k:5|n:5000/5000|seed:0|divmetrics:0.1.0"
        >>> signature = Signature.parse(text)
        >>> signature.layer, signature.n
        ('pooled', '5000/5000')
        >>> str(signature) == text
        True
    """

    metric: str
    """Name of the metric."""
    extractor: str
    """Name and digest, `efficientnet-lite0#57934424`; `features` or `labels` where no network was run."""
    layer: str
    """Layer of the network that the metric reads."""
    preprocessing: str
    """What happened to a sample before the network: `bicubic-aa-224`."""
    params: str
    """Options of the metric: `k:5|ties:open`; empty where it has none."""
    n: str
    """Sample sizes of both sides: `5000/5000`."""
    seed: str
    """Seed of the random draws."""
    version: str
    """Version of divmetrics."""

    def __str__(self) -> str:
        parts = [self.metric, self.extractor, self.layer, self.preprocessing, *filter(None, [self.params])]
        return "|".join([*parts, f"n:{self.n}", f"seed:{self.seed}", f"divmetrics:{self.version}"])

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a signature back from its one-line form.

        Args:
            text: What `str(signature)` gave.

        Raises:
            UsageError: The text is not a signature.
        """
        parts = text.split("|")
        tail = [part.partition(":") for part in parts[-3:]]
        if len(parts) < 7 or [name for name, _, _ in tail] != ["n", "seed", "divmetrics"]:
            raise UsageError(f"not a signature of divmetrics: {text!r}.")
        metric, extractor, layer, preprocessing, *params = parts[:-3]
        n, seed, version = (value for _, _, value in tail)
        return cls(metric, extractor, layer, preprocessing, "|".join(params), n, seed, version)

    def differences(self, other: Signature) -> dict[str, tuple[str, str]]:
        """Fields in which two signatures differ, apart from the version of divmetrics.

        Args:
            other: The signature to compare with.

        Returns:
            Name of the field -> (value here, value in `other`); empty where the numbers may be compared.
        """
        pairs = {f.name: (getattr(self, f.name), getattr(other, f.name)) for f in fields(self) if f.name != "version"}
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def params_text(params: Mapping[str, Any]) -> str:
    """Options of a metric as they stand in a signature, sorted by name.

    Example:
        >>> params_text({"ties": "open", "k": 5})
        'k:5|ties:open'
    """
    return "|".join(f"{name}:{value}" for name, value in sorted(params.items()))
