"""Four faults that metrics have had, planted: the report card must name each, and not its honest twin."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from scipy.special import rel_entr

from divmetrics.arrays.class_counts import both_counts
from divmetrics.arrays.splits import Pool
from divmetrics.arrays.summaries import ClassTally, Rows
from divmetrics.metrics import coverage, recall
from divmetrics.records.metric import METRICS, Laws, Metric, Null, UncertaintySpec
from divmetrics.validation import calibration, ladders, sanity
from divmetrics.validation.cards import report_cards
from divmetrics.validation.checks import CHECKS
from divmetrics.validation.records import Card
from divmetrics.validation.running import Runner

pytestmark = pytest.mark.slow  # the three suites on eight metrics
POOLED = Rows.on("pooled")
SEEN = ("drop", "thin", "shrink")
TWINS = {"swapped_recall": "recall", "raw_coverage": "coverage", "unconditional_kl": "mode_kl", "mean_kernel": "fid"}


def swapped_recall(real: Rows, fake: Rows) -> float:
    return recall(fake, real)


def raw_coverage(real: Rows, fake: Rows) -> float:
    return coverage(real, fake)


def unconditional_kl(real: ClassTally, fake: ClassTally) -> float:
    real_counts, fake_counts = both_counts(real, fake)
    real_shares = np.maximum(real_counts / real_counts.sum(), 1e-12)
    return float(rel_entr(fake_counts / fake_counts.sum(), real_shares).sum())


def mean_kernel(real: Rows, fake: Rows) -> float:
    return float((real.features.mean(0) - fake.features.mean(0)).square().sum())


def as_if_sizes_were_equal(pool: Pool) -> Null:
    return Null(1 - 2**-5, (0.97 * 0.03 / pool.n) ** 0.5)


@pytest.fixture(scope="module")
def _planted() -> Iterator[None]:
    unit, tally = Laws(range=(0, 1)), ClassTally.on("logits")
    records = [
        Metric(
            "swapped_recall",
            function=swapped_recall,
            real=POOLED,
            fake=POOLED,
            better="higher",
            laws=unit,
            cite="planted",
        ),
        Metric(
            "raw_coverage",
            function=raw_coverage,
            real=POOLED,
            fake=POOLED,
            better="higher",
            laws=unit,
            cite="planted",
            uncertainty=UncertaintySpec(null=as_if_sizes_were_equal),
        ),
        Metric(
            "unconditional_kl",
            function=unconditional_kl,
            real=tally,
            fake=tally,
            better="lower",
            laws=Laws(range=(0, np.inf)),
            cite="planted",
        ),
        Metric(
            "mean_kernel",
            function=mean_kernel,
            real=POOLED,
            fake=POOLED,
            better="lower",
            laws=Laws(range=(0, np.inf)),
            cite="planted",
            role="distance",
        ),
    ]
    METRICS.load()
    before = dict(METRICS._records)
    for record in records:
        METRICS.add(record)
    yield
    METRICS._records.clear()
    METRICS._records.update(before)


@pytest.fixture(scope="module")
def cards(_planted: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Card]:
    names = [*TWINS, *TWINS.values()]
    runner = Runner(Path(tmp_path_factory.mktemp("trial")), 1)
    telling = {name for name, check in CHECKS.items() if check.fault is not None}
    trials = [job for job in sanity.jobs(300, 3, 2) if job[0] in telling]
    models = [model for model in ladders.chosen(["modes-64d"]) if model.name.removeprefix("modes-64d-") in SEEN]
    steps = ladders.jobs(models, 300, 4, 1, healthy=6)
    pairs, nulls = calibration.jobs(150, 8), ["raw_coverage", "coverage"]
    return {
        card.metric: card
        for card in report_cards(
            names,
            sanity.summarise(runner.run("sanity", sanity.run_job, trials, names), names),
            ladders.summarise(runner.run("ladders", ladders.run_job, steps, names), names),
            calibration.summarise(runner.run("calibration", calibration.run_job, pairs, nulls), nulls),
        )
    }


@pytest.mark.parametrize(
    ("planted", "fault"),
    [
        ("swapped_recall", "for diversity, and does not see dropped modes and shrinkage within modes"),
        ("raw_coverage", "falls where there are fewer fakes than reals, though nothing else differs"),
        ("raw_coverage", "its null raises 100% and 100% false alarms in place of 1 % and 5 % at a third as many fakes"),
        ("unconditional_kl", "does not tell one mode amid scattered samples from a healthy set"),
        ("mean_kernel", "for distance, and does not see shrinkage within modes"),
        ("mean_kernel", "does not see a collapse onto two opposite points, which leaves the mean right"),
    ],
)
def test_a_planted_fault_is_named(planted: str, fault: str, cards: dict[str, Card]) -> None:
    assert fault in cards[planted].flags
    assert fault not in cards[TWINS[planted]].flags


def test_what_is_wrong_stands_in_the_sentence(cards: dict[str, Card]) -> None:
    assert "beware" in cards["swapped_recall"].text
    assert "trust it for dropped modes" in cards["recall"].text
