"""From features to numbers: divmetrics beside its peers on the same arrays.

    python benchmarks/arithmetic.py                 every case at full size, about ten minutes on two cores
    python benchmarks/arithmetic.py --quick         the same cases, small
    python benchmarks/arithmetic.py --only fid,emd

Arrays are in memory as each package wants them (float32 or float64, numpy or torch) before the clock starts.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import ot
import prdc
import torch
from harness import Contender, Timing, race, report
from pytorch_fid.fid_score import calculate_frechet_distance
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from torch_fidelity.metric_isc import isc_features_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric
from torch_fidelity.metric_prc import prc_features_to_metric
from torchmetrics.image.fid import _compute_fid
from torchmetrics.image.kid import poly_mmd
from vendi_score import vendi as vendi_peer

from divmetrics.arrays.summaries import Moments, Rows
from divmetrics.metrics.transport import directions
from divmetrics.records.metric import METRICS

PACKAGES = ["numpy", "scipy", "torch", "POT", "prdc", "pytorch-fid", "torch-fidelity", "torchmetrics", "vendi-score"]
warnings.simplefilter("ignore")  # peers warn of each other's deprecations


@dataclass(frozen=True)
class Size:
    """How large the arrays are."""

    rows: int
    width: int
    transport: int
    subsets: int
    classes: int = 1000


FULL, QUICK = Size(10_000, 2048, 5000, 100), Size(1000, 256, 500, 5, 100)


def features(n: int, d: int, seed: int) -> np.ndarray:
    """Rectified mixtures of Gaussians, float32: non-negative and correlated, as a network's pooled features are."""
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(99).normal(size=(d, d)) / np.sqrt(d)
    return np.maximum(rng.normal(size=(n, d)) @ mixing + 0.3 + 0.05 * seed, 0).astype(np.float32)


def fid(size: Size) -> list[Timing]:
    real, fake = (Moments.from_array(features(size.rows, size.width, seed)) for seed in (0, 1))
    tensors = [part for side in (real, fake) for part in (side.mean, side.covariance)]
    arrays = [part.numpy() for part in tensors]
    contenders = [
        Contender("divmetrics", lambda: METRICS["fid"](real, fake)),
        Contender("torchmetrics _compute_fid", lambda: _compute_fid(*tensors)),
        Contender("pytorch-fid (scipy sqrtm)", lambda: calculate_frechet_distance(*arrays)),
    ]
    return race(f"FID from moments, d={size.width}", contenders)


def kid(size: Size) -> list[Timing]:
    real, fake = (features(size.rows, size.width, seed) for seed in (0, 1))
    tensors = [torch.from_numpy(side) for side in (real, fake)]
    wide = [side.astype(np.float64) for side in (real, fake)]
    per = min(1000, size.rows // 2)
    settings = {"kid_subsets": size.subsets, "kid_subset_size": per, "rng_seed": 2020, "verbose": False}
    shape = f"{size.rows:,} + {size.rows:,} x {size.width}"
    exact = [
        Contender("divmetrics", lambda: METRICS["kid"](real, fake)),
        Contender("torchmetrics poly_mmd (float32)", lambda: poly_mmd(*tensors)),
    ]
    draws = {"subsets": size.subsets, "subset_size": per, "seed": 2020}
    subsets = [
        Contender("divmetrics", lambda: METRICS["kid"](real, fake, **draws)),
        Contender(
            "torch-fidelity (float64)",
            lambda: kid_features_to_metric(*map(torch.from_numpy, wide), **settings)["kernel_inception_distance_mean"],
        ),
    ]
    return race(f"KID exact, {shape}", exact) + race(f"KID {size.subsets} x {per}, {shape}", subsets)


def support(size: Size) -> list[Timing]:
    real, fake = (features(size.rows, size.width, seed) for seed in (0, 1))
    tensors = [torch.from_numpy(side) for side in (fake, real)]
    names = ("precision", "recall", "density", "coverage")

    def ours() -> list[float]:
        sides = Rows.from_array(real), Rows.from_array(fake)
        return [METRICS[name](*sides, k=5) for name in names]

    def by_fidelity() -> list[float]:
        found = prc_features_to_metric(*tensors, prc_neighborhood=5, verbose=False)
        return [found["precision"], found["recall"]]

    contenders = [
        Contender("divmetrics", ours),
        Contender("torch-fidelity (P and R alone)", by_fidelity),
        Contender("prdc", lambda: list(prdc.compute_prdc(real, fake, nearest_k=5).values())),
    ]
    return race(f"PRDC k=5, {size.rows:,} + {size.rows:,} x {size.width}", contenders)


def vendi(size: Size) -> list[Timing]:
    rows = features(size.rows, size.width, 0)
    wide = rows.astype(np.float64)
    contenders = [
        Contender("divmetrics", lambda: METRICS["vendi"](rows)),
        Contender("vendi-score score_dual (float64)", lambda: vendi_peer.score_dual(wide)),
    ]
    return race(f"Vendi, {size.rows:,} x {size.width}", contenders)


def inception_score(size: Size) -> list[Timing]:
    logits = 3 * np.random.default_rng(0).normal(size=(size.rows, size.classes)).astype(np.float32)
    tensor = torch.from_numpy(logits)
    contenders = [
        Contender("divmetrics", lambda: METRICS["inception_score"](logits, shuffle=False)),
        Contender("torch-fidelity", lambda: isc_features_to_metric(tensor, 10, shuffle=False)["inception_score_mean"]),
    ]
    return race(f"Inception score, {size.rows:,} x {size.classes}", contenders)


def emd(size: Size) -> list[Timing]:
    return [timing for width in (64, 1280) for timing in emd_of(size.transport, width)]


def emd_of(n: int, width: int) -> list[Timing]:
    """Features, not costs, are given: the distances are part of the work for all."""
    real, fake = (np.random.default_rng(seed).normal(size=(n, width)).astype(np.float32) for seed in (0, 1))

    def by_scipy() -> float:
        gaps = cdist(real, fake)
        return float(gaps[linear_sum_assignment(gaps)].mean())

    contenders = [
        Contender("divmetrics", lambda: METRICS["emd"](real, fake)),
        Contender("scipy linear_sum_assignment", by_scipy),
        Contender("POT emd2", lambda: ot.emd2([], [], cdist(real, fake), numItermax=10**8)),
    ]
    return race(f"EMD exact, n={n:,}, d={width}", contenders)


def sliced(size: Size) -> list[Timing]:
    real, fake = (features(size.rows, size.width, seed).astype(np.float64) for seed in (0, 1))
    lines = directions(size.width, 500, seed=0).numpy().T
    contenders = [
        Contender("divmetrics", lambda: METRICS["sliced_wasserstein"](real, fake)),
        Contender("POT", lambda: ot.sliced_wasserstein_distance(real, fake, projections=lines)),
    ]
    return race(f"Sliced Wasserstein, 500 lines, {size.rows:,} + {size.rows:,} x {size.width}", contenders)


CASES: dict[str, Callable[[Size], list[Timing]]] = {
    "fid": fid,
    "kid": kid,
    "prdc": support,
    "vendi": vendi,
    "inception_score": inception_score,
    "emd": emd,
    "sliced": sliced,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small arrays, to see that everything runs")
    parser.add_argument("--only", default=",".join(CASES), help="cases, comma-separated: %(default)s")
    chosen = parser.parse_args()
    timings: list[Timing] = []
    for name in chosen.only.split(","):
        timings += CASES[name](QUICK if chosen.quick else FULL)
    report("arithmetic-quick" if chosen.quick else "arithmetic", timings, PACKAGES)


if __name__ == "__main__":
    main()
