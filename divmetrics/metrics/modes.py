"""Class counts against class counts: modes found, and how far the fakes' shares are from the reals'.

The modes are the classes that occur among the reals. Fakes of any other class are *outside*: they find no mode, they
count in full for `mode_tv`, and they would make the divergence infinite, so that `mode_kl` and `effective_modes` are
conditional on being inside and report the share outside beside the value (VEEGAN and PacGAN condition in the same way).
"""

from __future__ import annotations

from math import inf

import numpy as np

from divmetrics.declare import Laws, Measured, metric
from divmetrics.errors import MeasureError, UsageError
from divmetrics.summaries import ClassTally

TALLY = ClassTally.on("labels", "logits")


def _counts(real: ClassTally, fake: ClassTally) -> tuple[np.ndarray, np.ndarray]:
    """Counts of both sides over the same classes, `[classes]` each."""
    width = max(len(real.counts), len(fake.counts))
    return real.padded(width).cpu().numpy(), fake.padded(width).cpu().numpy()


def _inside(real: ClassTally, fake: ClassTally) -> tuple[np.ndarray, np.ndarray, float]:
    """Counts of both sides over the modes alone, `[modes]` each, and the share of fakes outside them."""
    reals, fakes = _counts(real, fake)
    inside = fakes[reals > 0]
    return reals[reals > 0], inside, float(1 - inside.sum() / fakes.sum())


def _entropy(counts: np.ndarray) -> float:
    """Shannon entropy of the shares, in nats."""
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum())


@metric(
    "modes_found",
    real=TALLY,
    fake=TALLY,
    better="higher",
    laws=Laws(range=(0, inf), scaling=0.0),
    cite="Srivastava 2017 (VEEGAN), arXiv:1705.07761",
    presets=("default",),
    minimum=lambda _: 1,
)
def modes_found(real: ClassTally, fake: ClassTally, *, min_count: int = 1) -> Measured:
    """Number of the reals' classes with at least `min_count` fakes; in [0, modes], higher is better. Srivastava 2017.

    One fake suffices by default, as in the papers. With a classifier that errs at all, or with many more fakes than
    modes, that counts modes nobody sees: raise `min_count`. Extras: `modes_total`, and `missing`, the class numbers.
    Raises UsageError for `min_count` < 1.
    """
    if min_count < 1:
        raise UsageError(f"min_count={min_count} is not possible; give 1 or more.")
    reals, fakes = _counts(real, fake)
    missing = np.flatnonzero((reals > 0) & (fakes < min_count))
    total = int((reals > 0).sum())
    return Measured(float(total - len(missing)), extras={"modes_total": total, "missing": missing.tolist()})


@metric(
    "mode_kl",
    real=TALLY,
    fake=TALLY,
    better="lower",
    laws=Laws(range=(0, inf), scaling=0.0, on_copies=0.0),
    cite="Srivastava 2017 (VEEGAN), arXiv:1705.07761",
    presets=("default",),
    minimum=lambda _: 1,
)
def mode_kl(real: ClassTally, fake: ClassTally) -> Measured:
    """KL(fake shares || real shares) over the reals' classes, in nats; >= 0, lower is better. Srivastava 2017.

    Shares of the fakes are taken among those inside the reals' classes; extras give the share `outside`, and
    `null_floor`, what two samples of these sizes from one distribution give on average: (K - 1)/2 (1/N + 1/M), K modes.
    Raises MeasureError where no fake is inside.
    """
    reals, fakes, outside = _inside(real, fake)
    if not fakes.any():
        raise MeasureError("no fake falls in a class of the reals, so there are no shares to compare; see mode_tv.")
    p, q = fakes / fakes.sum(), reals / reals.sum()
    seen = p > 0
    floor = (len(q) - 1) / 2 * (1 / fakes.sum() + 1 / reals.sum())
    return Measured(
        float((p[seen] * np.log(p[seen] / q[seen])).sum()), extras={"outside": outside, "null_floor": float(floor)}
    )


@metric(
    "mode_tv",
    real=TALLY,
    fake=TALLY,
    better="lower",
    laws=Laws(range=(0, 1), scaling=0.0, on_copies=0.0),
    cite="Levin and Peres 2017, Markov Chains and Mixing Times, ch. 4",
    presets=("default",),
    minimum=lambda _: 1,
)
def mode_tv(real: ClassTally, fake: ClassTally) -> Measured:
    """Total variation between the class shares of fakes and reals; in [0, 1], lower is better. Levin and Peres, 4.1.

    The share of fakes that would have to change class, those outside the reals' classes in full. Extras: `outside`.
    """
    reals, fakes = _counts(real, fake)
    gap = fakes / fakes.sum() - reals / reals.sum()
    return Measured(float(np.abs(gap).sum() / 2), extras={"outside": _inside(real, fake)[2]})


@metric(
    "effective_modes",
    real=TALLY,
    fake=TALLY,
    better="higher",
    laws=Laws(range=(0, inf), scaling=0.0),
    cite="Hill 1973, doi:10.2307/1934352",
    presets=("default",),
    minimum=lambda _: 1,
)
def effective_modes(real: ClassTally, fake: ClassTally) -> Measured:
    """exp of the entropy of the fakes' shares over the reals' classes; in [0, modes], higher is better. Hill 1973.

    The number of equally frequent classes that are as diverse: K for uniform shares, 1 for a single class, 0 where no
    fake is inside. Extras: `real`, the same number of the reals, and the share `outside`.
    """
    reals, fakes, outside = _inside(real, fake)
    value = float(np.exp(_entropy(fakes))) if fakes.any() else 0.0
    return Measured(value, extras={"real": float(np.exp(_entropy(reals))), "outside": outside})
