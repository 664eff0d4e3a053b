"""The checks: what they draw, and that their criteria can be met and failed."""

from functools import cache

import numpy as np
import pytest

from divmetrics.validation.checks import CHECKS, Check, Curve
from divmetrics.validation.checks._check import bell, bell_bounds, falls, flat, settles
from divmetrics.validation.sanity import jobs, run_job, summarise

RAISA = {
    "gaussian_mean_difference",
    "gaussian_mean_difference_outlier",
    "gaussian_std_difference",
    "simultaneous_mode_dropping",
    "sequential_mode_dropping",
    "mode_dropping_invention",
    "hypersphere_surface",
    "hypercube_sample_size",
    "hypercube_syn_size",
    "sphere_torus",
    "mode_collapse",
    "scaling_one_dimension",
    "gaussian_mean_difference_pareto",
    "one_disjoint_dimension",
    "discrete_continuous",
}


WIDTHS = np.array([0.2, 0.6, 1, 1.5])
AREAS = np.array([1, 0.81, 0.5625])


def curve(*values: float, absolute: bool = True) -> Curve:
    return Curve(np.arange(len(values), dtype=float), np.array(values), absolute)


def test_the_fifteen_are_there() -> None:
    assert {check.name for check in CHECKS.values() if check.cite == "Raisa 2025"} == RAISA


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
def test_each_case_draws_two_finite_sides_of_one_width(check: Check) -> None:
    for case in check.cases:
        levels = check.chosen(case, 3)
        assert list(levels) == sorted(levels)
        for level in (levels[0], levels[-1]):
            small = min(level, 200) if "sample" in check.name or "size" in check.name else level
            pair = check.draw(case, small, 40, np.random.default_rng(0))
            assert pair.real.shape[1] == pair.fake.shape[1]
            assert np.isfinite(pair.real).all()
            assert np.isfinite(pair.fake).all()


def test_ends_and_middle_are_always_taken() -> None:
    check = CHECKS["gaussian_mean_difference"]
    assert check.chosen("d=1", 5) == (-6.0, -3.12, 0.0, 3.12, 6.0) or check.chosen("d=1", 5)[2] == 0
    assert len(check.chosen("d=1", 51)) == 51
    assert CHECKS["mode_dropping_invention"].chosen("d=2", 3) == tuple(range(1, 11))


@pytest.mark.parametrize(
    ("shape", "good", "bad"),
    [
        (bell, curve(0.0, 0.6, 1.0, 0.5, 0.0), curve(0.0, 1.0, 0.7, 1.0, 0.0)),
        (bell, curve(0.05, 1.0, 0.3), curve(0.9, 1.0, 0.9)),
        (bell, curve(0.99, 1.0, 0.0, absolute=False), curve(1.0, 0.99, 0.0, absolute=False)),
        (falls, curve(1.0, 0.7, 0.2), curve(0.2, 0.7, 1.0)),
        (falls, curve(1.0, 0.9, 0.75), curve(1.0, 0.9, 0.85)),
        (flat, curve(0.98, 1.0, 0.96), curve(0.9, 1.0, 0.96)),
        (settles, curve(0.5, 0.2, 0.22), curve(0.2, 0.2, 0.3)),
    ],
)
def test_shapes_tell_good_from_bad(shape: object, good: Curve, bad: Curve) -> None:
    assert shape(good) == "pass"  # type: ignore[operator]
    assert shape(bad) == "fail"  # type: ignore[operator]


def test_bounds_of_a_bell() -> None:
    assert bell_bounds(curve(0.03, 0.5, 0.97, 0.5, 0.0))
    assert not bell_bounds(curve(0.03, 0.5, 0.9, 0.5, 0.0))


@pytest.mark.parametrize("role", ["fidelity", "diversity"])
def test_ideal_curves_pass_each_criterion(role: str) -> None:
    ideal = {
        "gaussian_std_difference": {"fidelity": curve(1, 0.9, 0.5, 0.1, 0), "diversity": curve(0, 0.2, 0.9, 1, 1)},
        "linear_mode_dropping": {
            "fidelity": curve(1, 1),
            "diversity": Curve(np.linspace(0, 1, 5), np.linspace(1, 0.1, 5), True),
        },
        "strange_fakes": {
            r: Curve(np.linspace(0, 1, 5), np.linspace(1, 0, 5), True) for r in ("fidelity", "diversity")
        },
        "mode_dropping_invention": {
            "fidelity": curve(1, 1, 1, 1, 1, 1, 0.9, 0.8, 0.7, 0.6, 0.5),
            "diversity": curve(0, 0.2, 0.4, 0.6, 0.8, 1, 1, 1, 1, 1, 1),
        },
        "width_trade_off": {
            "fidelity": Curve(WIDTHS, np.array([1, 1, 1, 0.1]), True),
            "diversity": Curve(WIDTHS, np.array([0, 0.1, 0.8, 1]), True),
        },
        "cut_square": {"fidelity": curve(1, 1, 1), "diversity": Curve(np.array([0, 0.1, 0.25]), AREAS, True)},
        "refilled_mode_dropping": {"diversity": Curve(np.arange(7.0), np.linspace(1, 1 / 7, 7), True)},
        "refilled_mode_thinning": {"diversity": Curve(np.linspace(0, 1, 3), np.array([1, 4 / 7, 1 / 7]), True)},
        "scattered_collapse": {"diversity": Curve(np.array([-1, 0, 0.5, 0.9]), np.array([1, 0.1, 0.1, 0.2]), True)},
    }
    for name, curves in ideal.items():
        if role in curves:
            criterion = CHECKS[name].criteria[role]  # type: ignore[index]
            assert criterion.shape is None or criterion.shape(curves[role]) != "fail", name
            assert criterion.bounds is None or criterion.bounds(curves[role]), name


def test_diversity_of_growing_width_ends_high_or_low_and_must_rise_first() -> None:
    shape = CHECKS["width_trade_off"].criteria["diversity"].shape
    assert shape is not None
    found = [
        shape(Curve(WIDTHS, np.array(values), True)) for values in ([0, 0.1, 0.8, 1], [0, 0.1, 0.8, 0], [1, 1, 1, 0])
    ]
    assert found == ["high", "low", "fail"]


def test_surfaces_of_cubes_lie_on_a_face() -> None:
    pair = CHECKS["hypercube_surface"].draw("d=32", 0.5, 100, np.random.default_rng(0))
    assert np.abs(pair.real).max(1) == pytest.approx(1)
    assert np.abs(pair.fake).max(1) == pytest.approx(0.5)
    assert len(np.unique(np.abs(pair.real).argmax(1))) > 20


@pytest.mark.parametrize(
    ("check", "case", "side", "place"),
    [
        ("far_outlier", "d=64, outlier at 3 in real", "real", 3),
        ("far_outlier", "d=32, outlier at -3 in fake", "fake", -3),
        ("opposite_outlier", "d=64, outlier at -2 in real", "real", -2),
        ("opposite_outlier", "d=64, outlier at 2 in fake", "fake", 2),
    ],
)
def test_the_outlier_is_on_its_side(check: str, case: str, side: str, place: float) -> None:
    pair = CHECKS[check].draw(case, 0.5, 400, np.random.default_rng(0))
    assert getattr(pair, side)[0].mean() == pytest.approx(place, abs=0.5)
    assert getattr(pair, side)[1:].mean() == pytest.approx(0.5 if check[0] == side[0] == "f" else 0, abs=0.05)
    moving = {"real": pair.fake, "fake": pair.real}[side] if check == "opposite_outlier" else pair.fake[1:]
    assert moving.mean() == pytest.approx(0.5, abs=0.05)


def test_refilled_samples_are_copies_of_the_first_mode() -> None:
    pair = CHECKS["refilled_mode_thinning"].draw("d=64", 0.5, 700, np.random.default_rng(0))
    assert pair.target is not None
    modes, _ = pair.target.nearest_modes(pair.fake)
    assert np.bincount(modes)[0] == 100 + 300
    nearest = np.linalg.norm(pair.fake[400:, None] - pair.fake[:100], axis=2).min(1)
    assert nearest.max() < 2


@pytest.mark.parametrize(
    ("check", "sound", "faulty"),
    [
        ("far_outlier", "sym_recall", "recall"),
        ("far_outlier", "clipped_density", "precision"),
        ("opposite_outlier", "coverage", "recall"),
        ("opposite_outlier", "density", "precision"),
        ("width_trade_off", "recall", "coverage"),
        ("width_trade_off", "precision", "sym_precision"),
        ("hypercube_surface", "sym_recall", "recall"),
        ("hypercube_surface", "sym_precision", "precision"),
        ("cut_square", "recall", "vendi_ratio"),
        ("cut_cube", "sym_recall", "coverage"),
        ("refilled_mode_thinning", "clipped_coverage", "vendi"),
    ],
)
def test_each_outcome_tells_a_sound_metric_from_a_faulty_one(check: str, sound: str, faulty: str) -> None:
    found = results(check)
    assert found[sound] in ("pass", "high", "low")
    assert found[faulty] == "fail"


DENSE = ["density", "clipped_density", "coverage", "clipped_coverage"]
TOLD = [*DENSE, "precision", "recall", "sym_precision", "sym_recall", "vendi", "vendi_ratio"]


@cache
def results(check: str) -> dict[str, str | None]:
    todo = [job for job in jobs(300, 5, 1) if job[0] == check]
    return {row.metric: row.property for row in summarise({job: run_job(job, TOLD) for job in todo}, TOLD)}


def test_precision_and_recall_on_moved_gaussians() -> None:
    todo = [job for job in jobs(200, 3, 1, cases=1) if job[0] in ("gaussian_mean_difference", "mode_collapse")]
    names = ["precision", "recall", "fid", "c_t"]
    rows = summarise({job: run_job(job, names) for job in todo}, names)
    found = {(row.check, row.metric, row.role): (row.bounds, row.property) for row in rows}
    assert found["gaussian_mean_difference", "precision", "fidelity"] == (True, "pass")
    assert found["gaussian_mean_difference", "recall", "diversity"] == (True, "pass")
    assert found["gaussian_mean_difference", "fid", "fidelity"] == (None, "pass")
    assert found["gaussian_mean_difference", "fid", "diversity"] == (None, "pass")
    assert ("mode_collapse", "recall", "diversity") not in found  # the check asks nothing of diversity
    assert not [key for key in found if key[1] == "c_t"]
