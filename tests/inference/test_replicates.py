"""Values of metrics on shared splits, and how many of them each metric takes."""

from collections import defaultdict
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
import torch

from divmetrics.arrays.splits import HeldOutPool, OneSamplePool, Pool, Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows
from divmetrics.errors import TooFewSamples, UnknownName, UsageError
from divmetrics.inference.replicates import (
    PERMUTATIONS,
    Counts,
    MetricReplicates,
    Replicates,
    SharedSplits,
    counts_of,
    draw,
)
from divmetrics.records.metric import METRICS, Laws, Metric, ReplicateCost, UncertaintySpec
from divmetrics.records.results import Report, Side
from divmetrics.scoring.collected import Collected, EncoderInfo
from divmetrics.scoring.measure import measure
from divmetrics.scoring.plan import Plan, Request

REINDEXED = """
alpha_precision am_score authenticity beta_recall birthday_support clipped_coverage clipped_density coverage density
duplicate_fraction effective_modes high_quality kid mmd_rbf mode_kl mode_score mode_tv modes_found p_precision p_recall
prd_f1_8 prd_f8 precision psnr rarity recall rke_ratio spacing_ratio sym_precision sym_recall unseen_mass
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


def difference(real: Rows, fake: Rows) -> float:
    return float(fake.features.mean() - real.features.mean())


def reads(*sides: str, **fields: object) -> Metric:
    needs = {"real": None} | dict.fromkeys(sides, Rows.on("pooled"))
    return Metric("some", function=difference, better="lower", laws=Laws(), cite="nobody", **needs, **fields)


def rows(*values: float) -> Rows:
    return Rows.from_array(np.array(values, float)[:, None])


def report_on(metrics: str, seed: int = 5, n: int = 40, m: int = 36, **questions: object) -> Report:
    rng = np.random.default_rng(0)
    sides = [
        Collected(
            Side(name, size, None),
            {"features": EncoderInfo("", "none", "none")},
            {("features", "pooled", "Rows"): Rows.from_array(rng.normal(size=(size, 3)))},
        )
        for name, size in (("real", n), ("fake", m))
    ]
    return measure(Plan.of(metrics, "pixels", seed=seed, **questions), *sides, {})


def test_each_metric_takes_as_many_splits_as_one_replicate_of_it_allows() -> None:
    found = defaultdict(set)
    for metric in METRICS:
        both = (counts_of(metric, pool(d)) for d in (256, 257))
        found[tuple((counts.permutations, counts.half_samples) for counts in both)].add(metric.name)
    assert found == {counts: set(names.split()) for names, counts in COUNTS.items()}


def test_a_metric_that_says_nothing_is_recomputed() -> None:
    plain = replace(METRICS["recall"], uncertainty=replace(METRICS["recall"].uncertainty, resample=None))
    assert counts_of(plain, pool(2)) == Counts(half_samples=20, permutations=20, reals=12, fakes=12)
    counted = replace(METRICS["mode_tv"], uncertainty=UncertaintySpec())
    assert counts_of(counted, pool(2)).permutations == 199, "counting classes costs next to nothing"


@pytest.mark.parametrize("cost", get_args(ReplicateCost))
def test_every_cost_has_its_counts(cost: str) -> None:
    narrow, wide = PERMUTATIONS[cost]
    assert 2 <= wide <= narrow


def test_half_samples_are_drawn_from_the_seed_and_permutations_from_the_next() -> None:
    both = TwoSamplePool(rows(1, 2, 3, 4, 5), rows(6, 7, 8, 9))
    for seed in (0, 7):
        splits = SharedSplits(seed)
        side = splits.of(both, Counts(half_samples=3, permutations=4)).side
        assert torch.equal(side[:3], Splits.halves(5, 4, 3, seed).side)
        assert torch.equal(side[3:], Splits.permutations(5, 4, 4, seed + 1).side)
        fewer = splits.of(both, Counts(half_samples=2, permutations=1)).side
        assert torch.equal(fewer, side[[0, 1, 3]]), "split b is the same however many are drawn"
        assert splits.of(both, Counts(3, 4)) is splits.of(replace(both), Counts(3, 4))


def test_sizes_of_both_sides_tell_splits_apart() -> None:
    splits, counts = SharedSplits(0), Counts(2, 2)
    for n, m in ((5, 4), (5, 6), (3, 6)):
        found = splits.of(TwoSamplePool(rows(*range(n)), rows(*range(m))), counts).side
        assert found.shape == (4, n + m)


def test_a_metric_of_moments_with_options_is_recomputed_as_it_is_measured() -> None:
    rng = np.random.default_rng(0)
    both = TwoSamplePool(*(Rows.from_array(rng.normal(size=(20, 2))) for _ in range(2)))
    fid = replace(METRICS["fid"], uncertainty=UncertaintySpec())
    values = draw(fid, {}, both, Counts(0, 3), SharedSplits(0)).permutations
    assert values == pytest.approx(draw(METRICS["fid"], {}, both, Counts(0, 3), SharedSplits(0)).permutations, rel=1e-6)
    recall = replace(METRICS["recall"], uncertainty=UncertaintySpec())
    few, many = (draw(recall, {"k": k}, both, Counts(0, 3), SharedSplits(0)).permutations for k in (1, 8))
    assert (few < many).all()


def test_a_metric_is_recomputed_on_the_parts_of_each_split() -> None:
    values = np.arange(9.0) ** 2
    both = TwoSamplePool(rows(*values[:5]), rows(*values[5:]))
    found = draw(reads("real", "fake"), {}, both, Counts(2, 3), SharedSplits(1))
    splits = [*Splits.halves(5, 4, 2, 1).side.numpy(), *Splits.permutations(5, 4, 3, 2).side.numpy()]
    expected = [values[split == 2].mean() - values[split == 1].mean() for split in splits]
    assert found.half_samples == pytest.approx(expected[:2])
    assert found.permutations == pytest.approx(expected[2:])


def test_the_training_set_is_never_split() -> None:
    seen = []

    def three(real: Rows, fake: Rows, held_out: Rows) -> float:
        seen.append([side.features[:, 0].tolist() for side in (real, fake, held_out)])
        return 0.0

    metric = replace(reads("real", "fake", "held_out"), function=three)
    draw(metric, {}, HeldOutPool(rows(1, 2), rows(3, 4), rows(8, 9)), Counts(0, 5), SharedSplits(0))
    assert [training for training, *_ in seen] == [[8, 9]] * 5
    assert all(sorted(fake + held_out) == [1, 2, 3, 4] for _, fake, held_out in seen)
    assert len({tuple(fake) for _, fake, _ in seen}) > 1


def test_a_split_that_cannot_be_measured_is_nan_in_its_place() -> None:
    def picky(fake: Rows) -> float:
        if 1.0 in fake.features:
            raise TooFewSamples("not with 1")
        return np.inf if 2.0 in fake.features else 0.0

    samples = OneSamplePool(rows(1, 2, 3, 4, 5, 6))
    found = draw(replace(reads("fake"), function=picky), {}, samples, Counts(12, 0), SharedSplits(0))
    drawn = [set((np.flatnonzero(split) + 1).tolist()) for split in Splits.halves(0, 6, 12, 0).side.numpy()]
    expected = [np.nan if 1 in split else np.inf if 2 in split else 0.0 for split in drawn]
    assert found.half_samples == pytest.approx(expected, nan_ok=True)
    assert len(found.permutations) == 0
    assert set(found.usable_half_samples) == {0.0}
    kept = MetricReplicates("", np.empty(0), np.array(expected)).usable_permutations
    assert sorted(set(kept)) == [0.0, np.inf], "an infinite value has its rank"


def test_metrics_on_the_same_samples_share_their_splits() -> None:
    report = report_on("kid,mmd_rbf,fid,vendi")
    found = report.replicates
    assert found.seed == 5
    assert set(found.rows) == set(report.metrics)
    kid, mmd = found.matrix("permutations", ["kid@features", "mmd_rbf@features"])
    assert len(kid) == len(mmd) == 199
    assert np.corrcoef(kid, mmd)[0, 1] > 0.7
    assert abs(np.corrcoef(kid[:-1], mmd[1:])[0, 1]) < 0.3, "of other permutations they are independent"
    both = found.matrix("permutations", ["kid@features", "fid@features"])
    assert both.shape == (2, 20)
    assert (both[0] == kid[:20]).all()
    assert found.matrix("half_samples", ["fid@features"]).shape == (1, 6)
    assert found.matrix("permutations", []).shape == (0, 0)


def test_a_copy_of_a_metric_has_the_same_row() -> None:
    plan = Plan.of("fid", "pixels", seed=5)
    copy = replace(plan.requests[0].metric, name="again")
    twice = replace(plan, requests=(*plan.requests, Request(copy, {}, "again", explicit=True)))
    sides = [
        Collected(
            Side(name, 30, None),
            {"features": EncoderInfo("", "none", "none")},
            {("features", "pooled", "Rows"): Rows.from_array(np.random.default_rng(seed).normal(size=(30, 3)))},
        )
        for seed, name in enumerate(("real", "fake"))
    ]
    report = measure(twice, *sides, {})
    first, second = report.replicates.matrix("permutations", ["fid@features", "again@features"])
    assert (first == second).all()
    assert first.std() > 0


def test_the_band_of_a_report_is_made_of_its_replicates() -> None:
    """The seed of the run draws them, and the level of the run is that of the band."""
    for seed, level, rank in ((5, 0.9, 10), (6, 0.95, 5), (5, 0, 5)):
        report = report_on("kid", seed, ci_level=level)
        (drawn,) = report.replicates.matrix("permutations", ["kid@features"])
        ordered, band = np.sort(drawn), report["kid"].null.permutations
        assert (band.low, band.high) == (ordered[rank - 1], ordered[-rank])
        assert report["kid"].ci_level == (level or None)
    one, other = (report_on("kid", seed).replicates.rows["kid@features"].permutations for seed in (5, 6))
    assert not np.isin(one, other).any()


def test_replicates_stay_out_of_the_json() -> None:
    report = report_on("recall")
    read = Report.from_json(report.to_json())
    assert "replicates" not in report.to_json()
    assert read.replicates is None
    assert replace(report, replicates=None) == report
    assert "eplicates" not in repr(report)
    assert report_on("recall", ci_level=0, null=False).replicates is None


def test_metrics_of_different_samples_have_no_common_matrix() -> None:
    found = report_on("kid,coverage").replicates  # coverage draws equal sizes
    with pytest.raises(UsageError, match="kid@features, coverage@features were measured on different samples"):
        found.matrix("permutations", ["kid@features", "coverage@features"])
    with pytest.raises(UnknownName, match="Did you mean 'kid@features'"):
        found.matrix("permutations", ["kit@features"])
    assert isinstance(found, Replicates)


@pytest.mark.parametrize(
    "other",
    [
        OneSamplePool(rows(3, 4)),
        HeldOutPool(rows(1, 2), rows(3, 4), rows(5, 6)),
        TwoSamplePool(rows(1, 2), rows(3, 4, 5)),
        TwoSamplePool(rows(1, 2), Rows(torch.tensor([[4.0], [3.0]]), torch.tensor([1, 0]))),
    ],
    ids=["one side", "held out", "other size", "other order"],
)
def test_samples_are_told_apart(other: Pool) -> None:
    def named(samples: Pool) -> str:
        return draw(reads("real", "fake"), {}, samples, Counts(0, 0), SharedSplits(0)).samples

    gaps = TwoSamplePool(rows(1, 2), Rows(torch.tensor([[3.0], [4.0]]), torch.tensor([5, 9])))
    assert named(TwoSamplePool(rows(1, 2), rows(3, 4))) == named(gaps), "the same samples in the same order"
    assert named(other) != named(gaps)
