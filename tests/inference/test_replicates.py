"""Values of metrics on shared splits, and how many of them each metric takes."""

from collections import defaultdict
from dataclasses import replace
from typing import get_args

import pytest
import torch

from divmetrics.arrays.splits import TwoSamplePool
from divmetrics.arrays.summaries import Rows
from divmetrics.inference.replicates import PERMUTATIONS, Counts, counts_of
from divmetrics.records.metric import METRICS, ReplicateCost

REINDEXED = """
alpha_precision am_score authenticity beta_recall birthday_support clipped_coverage clipped_density coverage density
duplicate_fraction effective_modes high_quality kid mmd_rbf mode_kl mode_score mode_tv modes_found p_precision p_recall
prd_f1_8 prd_f8 precision psnr rarity recall rke_ratio sym_precision sym_recall unseen_mass
"""
COUNTS = {
    REINDEXED: ((199, 100), (199, 100)),
    "sliced_wasserstein": ((50, 50), (50, 50)),
    "c2st c_t fld inception_score intra_fid mode_js ms_ssim ndb realism rke vendi": ((20, 20), (20, 20)),
    "topp topr": ((16, 16), (16, 16)),
    "fid mifid": ((20, 20), (8, 12)),
    "fid_infinity vendi_ratio": ((12, 12), (5, 12)),
    "sinkhorn": ((8, 12), (5, 12)),
    "emd w2": ((5, 12), (5, 12)),
}
"""Metrics -> (permutations, half-samples) for features of 256 and of 257 columns."""


def pool(d: int) -> TwoSamplePool:
    rows = Rows.from_array(torch.zeros(2, d))
    return TwoSamplePool(rows, rows)


def test_each_metric_takes_as_many_splits_as_one_replicate_of_it_allows() -> None:
    found = defaultdict(set)
    for metric in METRICS:
        both = (counts_of(metric, pool(d)) for d in (256, 257))
        found[tuple((counts.permutations, counts.half_samples) for counts in both)].add(metric.name)
    assert found == {counts: set(names.split()) for names, counts in COUNTS.items()}


def test_a_metric_that_says_nothing_is_recomputed() -> None:
    plain = replace(METRICS["recall"], uncertainty=replace(METRICS["recall"].uncertainty, resample=None))
    assert counts_of(plain, pool(2)) == Counts(half_samples=20, permutations=20)


@pytest.mark.parametrize("cost", get_args(ReplicateCost))
def test_every_cost_has_its_counts(cost: str) -> None:
    narrow, wide = PERMUTATIONS[cost]
    assert 2 <= wide <= narrow
