"""The blocked pair engine: all that is known of pairs of samples, without ever holding an n x n matrix.

**"Inside a ball" is defined here and nowhere else.** The ball of a sample reaches to its k-th nearest *other* sample of
its own set; `ties="open"` asks for a distance smaller than that radius (Naeem 2020, the `prdc` package), `"closed"` for
one no larger (Kynkaanniemi 2019).

**Every comparison is decided by directly computed float64 distances**, at the speed of a float32 matrix product: the
product is a filter with a proven error bound (`_distances.py`), and only what it cannot decide is computed directly.
"""

from divmetrics.arrays.pairs._cosine_nearest import mean_angles, nearest_angles
from divmetrics.arrays.pairs._distances import (
    BoundedMatrix,
    Pairs,
    blocks,
    ieee_products,
    lower_bounds,
    squared_distances,
)
from divmetrics.arrays.pairs._distinct import Distinct
from divmetrics.arrays.pairs._half_sample_variance import (
    PAIRS,
    disjoint_variance,
    half_error,
    halved_variance,
    neighbour_uncertainty,
)
from divmetrics.arrays.pairs._hits import Hits, hits
from divmetrics.arrays.pairs._kernels import Gaussian, Kernel, Polynomial, split_sums, typical_distance, within
from divmetrics.arrays.pairs._lists import Lists, deepest, depths, lists
from divmetrics.arrays.pairs._mmd import draw_subsets, mmd2, mmd2_of_splits, mmd2_subsets, mmd2_variance
from divmetrics.arrays.pairs._neighbours import nearest, radii
from divmetrics.arrays.pairs._realism import median_realism_on_splits
from divmetrics.arrays.pairs._renyi_entropy import bandwidth, effective, effective_of_splits, log_variance
from divmetrics.arrays.pairs._split_counts import SplitHits, mean_on_splits
from divmetrics.arrays.pairs._splits import SplitNearest, split_hits, split_nearest
from divmetrics.arrays.pairs._support import (
    Nearest,
    Ties,
    ball_radii,
    capped_within,
    enough_rows,
    nearest_across,
    neighbour_pass,
    realism_scores,
    support,
)

__all__ = [
    "PAIRS",
    "BoundedMatrix",
    "Distinct",
    "Gaussian",
    "Hits",
    "Kernel",
    "Lists",
    "Nearest",
    "Pairs",
    "Polynomial",
    "SplitHits",
    "SplitNearest",
    "Ties",
    "ball_radii",
    "bandwidth",
    "blocks",
    "capped_within",
    "deepest",
    "depths",
    "disjoint_variance",
    "draw_subsets",
    "effective",
    "effective_of_splits",
    "enough_rows",
    "half_error",
    "halved_variance",
    "hits",
    "ieee_products",
    "lists",
    "log_variance",
    "lower_bounds",
    "mean_angles",
    "mean_on_splits",
    "median_realism_on_splits",
    "mmd2",
    "mmd2_of_splits",
    "mmd2_subsets",
    "mmd2_variance",
    "nearest",
    "nearest_across",
    "nearest_angles",
    "neighbour_pass",
    "neighbour_uncertainty",
    "radii",
    "realism_scores",
    "split_hits",
    "split_nearest",
    "split_sums",
    "squared_distances",
    "support",
    "typical_distance",
    "within",
]
