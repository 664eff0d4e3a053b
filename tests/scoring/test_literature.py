"""`Result.literature`: true for the numbers that papers print, and for no other."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from divmetrics.arrays.summaries import Rows
from divmetrics.records.results import Side
from divmetrics.scoring.collected import Collected, EncoderInfo
from divmetrics.scoring.measure import measure
from divmetrics.scoring.plan import Plan


def side(seed: int, protocol: str | None) -> Collected:
    rows = torch.randn(1000, 4, generator=torch.Generator().manual_seed(seed))
    info = EncoderInfo("6726825d", "tf1-bilinear-299", "torch", protocol)
    summaries = {("inception", layer, "Rows"): Rows.from_array(rows.clone()) for layer in ("pooled", "logits")}
    return Collected(Side(f"set{seed}", 1000, None), {"inception": info}, summaries)


CMMD = "mmd_rbf:sigma=10:normalise=true:unbiased=false:scale=1000"


def test_cmmd_is_a_protocol_of_encoder_and_kernel() -> None:
    assert literature([CMMD], "cmmd-2024") == {"mmd_rbf": True}
    for metric, protocol in [("mmd_rbf", "cmmd-2024"), (CMMD, "inception-2015"), (CMMD, None), ("fid", "cmmd-2024")]:
        assert not any(literature([metric], protocol).values())


def literature(metrics: Sequence[str], protocol: str | None) -> dict[str, bool]:
    # Intervals and null bands have no say in what is a published protocol.
    plan = Plan.of(list(metrics), "inception", ci_level=0, null=False)
    report = measure(plan, side(0, protocol), side(1, protocol), {})
    return {name.partition("@")[0]: result.literature for name, result in report.metrics.items()}


PUBLISHED = ["fid", "kid:subsets=100:subset_size=1000", "inception_score:splits=10", "inception_score:shuffle=false"]
OTHERS = ["kid:subsets=0", "kid:subsets=100:subset_size=500", "kid:subsets=100:subset_size=1000:degree=2",
          "inception_score:splits=1", "recall"]  # fmt: skip


@pytest.mark.parametrize("metric", PUBLISHED)
def test_published_parameters_on_the_published_network(metric: str) -> None:
    assert list(literature([metric], "inception-2015").values()) == [True]
    assert list(literature([metric], None).values()) == [False]
    assert list(literature([metric], "another").values()) == [False]


@pytest.mark.parametrize("metric", OTHERS)
def test_other_parameters_and_other_metrics_are_not_in_the_literature(metric: str) -> None:
    assert list(literature([metric], "inception-2015").values()) == [False]


def test_the_protocol_survives_the_file(tmp_path: Path) -> None:
    side(0, "inception-2015").save(tmp_path / "a.dms")
    assert Collected.load(tmp_path / "a.dms").encoders["inception"].protocol == "inception-2015"
