"""`NullBand`: what real samples score against real samples, and the p-value of a result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Permutations:
    """Values of a metric on permutations of the pooled samples, the null distribution that `NullBand.p` comes from."""

    mean: float | None
    """Mean of the values."""
    low: float | None
    """Lower end of their central part, whose share is the level of the run; None is unbounded."""
    high: float | None
    """Upper end; None is unbounded."""
    sd: float | None
    """Standard deviation."""
    draws: int
    """Number of permutations."""


@dataclass(frozen=True)
class NullBand:
    """What real samples score against real samples, and the p-value of "both sides come from one distribution".

    Mean and ends are those of disjoint sets of real samples, in which no fake takes part; `p` is that of a permutation
    test on the pooled samples, or of a closed form that serves for both.
    """

    mean: float | None
    """Mean score of real samples; None where they are too few to be split."""
    low: float | None
    """Lower end of the band in which one more such score lies; None is unbounded."""
    high: float | None
    """Upper end of the band; None is unbounded."""
    sd: float | None = None
    """Standard deviation of such scores."""
    p: float | None = None
    """p-value: probability of a value at least as bad as the one found if both sides came from one distribution; None
    where it is not known."""
    draws: int | None = None
    """Number of splits behind the band; None for a closed form."""
    method: str | None = None
    """Whose splits: `real samples`, `real and held-out samples` or `held-out samples`; or `closed form`."""
    n_real: int | None = None
    """Samples on the real side for which the band holds."""
    n_fake: int | None = None
    """Samples on the other side for which the band holds."""
    split: tuple[int, int] | None = None
    """Sizes of the sets that were split off; where they differ from `n_real` and `n_fake`, the values were carried to
    those by the law in n that the metric has."""
    fakes: float | None = None
    """Mean value of the fakes at the sizes `n_real` and `n_fake`; None where these are the result's own."""
    permutations: Permutations | None = None
    """The permutations behind `p`; None for a closed form."""

    def to_json(self) -> dict[str, Any]:
        """The entry `null` of a result."""
        permutations = vars(self.permutations) if self.permutations is not None else None
        split = list(self.split) if self.split is not None else None
        return {**vars(self), "split": split, "permutations": permutations}

    @staticmethod
    def as_now(entry: Any) -> Any:
        """The entry `null` of a result as today: in version 0.1.0 its numbers were those of permutations."""
        if not isinstance(entry, dict) or "permutations" in entry or entry.get("method") != "permutation":
            return entry
        permutations = {name: entry.get(name) for name in ("mean", "low", "high", "sd", "draws")}
        return {"mean": None, "low": None, "high": None, "p": entry.get("p"), "permutations": permutations}
