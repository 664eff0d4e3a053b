"""False alarms are counted as they are, and too many of them are named."""

import numpy as np

from divmetrics.validation import calibration
from divmetrics.validation.measuring import VERDICT
from divmetrics.validation.running import JobResult


def test_false_alarm_rates_and_whether_they_hold() -> None:
    jobs = calibration.jobs(100, 100)
    rng = np.random.default_rng(0)
    results = {
        job: JobResult(
            {"recall": (0.9, float(rng.random())), "fid": (1.0, 0.001), VERDICT: (0.0, 1.0), "kid": (0.0, None)}
        )
        for job in jobs
    }
    rows = {(row.metric, row.case): row for row in calibration.summarise(results, ["recall", "fid", "kid"])}
    assert len(rows) == 3 * len(calibration.CASES)
    for case in calibration.CASES:
        assert rows["recall", case].holds
        assert not rows["fid", case].holds
        assert rows["fid", case].at_1 == 1
        assert rows[VERDICT, case].at_5 == 0


def test_a_pair_is_measured_at_both_sizes() -> None:
    for job in calibration.jobs(90, 1):
        found = calibration.run_job(job, ["recall"]).values["recall"]
        assert found[1] is not None
        assert 0 < found[1] <= 1
