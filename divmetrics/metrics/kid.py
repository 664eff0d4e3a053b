"""Kernel Inception Distance."""

from divmetrics.declare import Laws, Measured, metric
from divmetrics.pairs import Polynomial, draw_subsets, mmd2, mmd2_subsets
from divmetrics.summaries import Rows


@metric(
    "kid",
    real=Rows.on("pooled"),
    fake=Rows.on("pooled"),
    better="lower",
    laws=Laws(rotation=True),
    cite="Binkowski 2018, arXiv:1801.01401",
    presets=("default",),
    minimum=lambda options: int(options["subset_size"]) if options["subsets"] else 2,
    protocols={
        "inception-2015": {"degree": 3, "gamma": None, "coef0": 1.0, "subsets": 100, "subset_size": 1000},
    },
)
def kid(
    real: Rows,
    fake: Rows,
    *,
    degree: int = 3,
    gamma: float | None = None,
    coef0: float = 1.0,
    subsets: int = 0,
    subset_size: int = 1000,
    seed: int = 0,
) -> Measured:
    """Squared maximum mean discrepancy for the kernel (gamma xy + coef0)^degree; lower is better, equal ones give 0.

    Unbiased, so it may be negative; kernel units, `gamma=None` is 1/d. By default the U-statistic over all samples: one
    exact number. `subsets=100` is the classic estimate, a mean over subsets of `subset_size` rows whose spread is
    `extras["sd"]`; it repeats torch-fidelity's draws for the same `seed`.
    Raises TooFewSamples where a subset is larger than a side.
    """
    kernel = Polynomial(degree, 1 / real.d if gamma is None else gamma, coef0)
    if not subsets:
        return Measured(mmd2(real.features, fake.features, kernel))
    draws = draw_subsets(real.n, fake.n, subsets, subset_size, seed)
    found = mmd2_subsets(real.features, fake.features, kernel, draws)
    return Measured(found.mean().item(), extras={"sd": found.std(correction=0).item()})
