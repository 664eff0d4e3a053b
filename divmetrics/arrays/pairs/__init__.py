"""Pairs of samples, in blocks: nearest-neighbour balls, neighbour lists, kernel sums, MMD, without an n x n matrix.

**"Inside a ball" is defined here and nowhere else.** The ball of a sample reaches to its k-th nearest *other* sample of
its own set; `ties="open"` counts distances smaller than that radius (Naeem 2020, the `prdc` package), `"closed"` also
those equal to it (Kynkaanniemi 2019).

**Every comparison is decided by directly computed float64 distances**, at the speed of a float32 matrix product: the
product is a filter with a proven error bound (`_distances.py`), and only the pairs that it cannot decide are computed
directly.
"""

from divmetrics.arrays.pairs._ball_counts import BallCounts, count_balls
from divmetrics.arrays.pairs._ball_counts_on_splits import (
    NearestReals,
    ball_counts_on_splits,
    counted_from_lists,
    nearest_reals_on_splits,
)
from divmetrics.arrays.pairs._cosine_nearest import mean_cosine_distance_on_splits, nearest_cosine_distances
from divmetrics.arrays.pairs._distances import (
    BoundedMatrix,
    Pairs,
    blocks,
    ieee_products,
    lower_bounds,
    squared_distances,
)
from divmetrics.arrays.pairs._half_sample_variance import (
    HALF_PAIRS,
    disjoint_halves_variance,
    half_sample_error,
    half_sample_variance,
    neighbour_uncertainty,
)
from divmetrics.arrays.pairs._kernel_sums import (
    GaussianKernel,
    Kernel,
    PolynomialKernel,
    kernel_sums_on_splits,
    kernel_sums_within,
    median_distance,
)
from divmetrics.arrays.pairs._mmd import draw_subsets, mmd2, mmd2_of_subsets, mmd2_on_splits, mmd2_spread, mmd2_variance
from divmetrics.arrays.pairs._neighbour_lists import NeighbourLists, greatest_depth, needed_depths, neighbour_lists
from divmetrics.arrays.pairs._neighbour_pass import (
    NearestSample,
    Ties,
    ball_counts,
    ball_radii,
    capped_balls_within,
    check_enough_rows,
    distance_to_different,
    nearest_of_other_side,
    neighbour_pass,
    realism_scores,
)
from divmetrics.arrays.pairs._neighbours import nearest_rows, squared_ball_radii
from divmetrics.arrays.pairs._realism import median_realism_on_splits
from divmetrics.arrays.pairs._renyi_entropy import (
    effective_number,
    effective_number_on_splits,
    kernel_bandwidth,
    log_effective_number_spread,
    log_effective_number_variance,
)
from divmetrics.arrays.pairs._split_results import BallCountsOnSplits, mean_on_splits
from divmetrics.arrays.pairs._subset_variance import SUBSET_FREEDOM, subset_error, subset_uncertainty
from divmetrics.arrays.pairs._unique_rows import UniqueRows

__all__ = [
    "HALF_PAIRS",
    "SUBSET_FREEDOM",
    "BallCounts",
    "BallCountsOnSplits",
    "BoundedMatrix",
    "GaussianKernel",
    "Kernel",
    "NearestReals",
    "NearestSample",
    "NeighbourLists",
    "Pairs",
    "PolynomialKernel",
    "Ties",
    "UniqueRows",
    "ball_counts",
    "ball_counts_on_splits",
    "ball_radii",
    "blocks",
    "capped_balls_within",
    "check_enough_rows",
    "count_balls",
    "counted_from_lists",
    "disjoint_halves_variance",
    "distance_to_different",
    "draw_subsets",
    "effective_number",
    "effective_number_on_splits",
    "greatest_depth",
    "half_sample_error",
    "half_sample_variance",
    "ieee_products",
    "kernel_bandwidth",
    "kernel_sums_on_splits",
    "kernel_sums_within",
    "log_effective_number_spread",
    "log_effective_number_variance",
    "lower_bounds",
    "mean_cosine_distance_on_splits",
    "mean_on_splits",
    "median_distance",
    "median_realism_on_splits",
    "mmd2",
    "mmd2_of_subsets",
    "mmd2_on_splits",
    "mmd2_spread",
    "mmd2_variance",
    "nearest_cosine_distances",
    "nearest_of_other_side",
    "nearest_reals_on_splits",
    "nearest_rows",
    "needed_depths",
    "neighbour_lists",
    "neighbour_pass",
    "neighbour_uncertainty",
    "realism_scores",
    "squared_ball_radii",
    "squared_distances",
    "subset_error",
    "subset_uncertainty",
]
