"""Each fault is found, called by its name and shown; healthy, too few and odd samples are judged as they are."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from divmetrics.arrays.summaries import Rows
from divmetrics.inference.verdict import Naming, Question, judge
from divmetrics.inference.verdict.equivalence import DISTINCT, Claim
from divmetrics.inference.verdict.findings import Found
from divmetrics.inference.verdict.judging import LARGEST, LOST, _sentence, _state
from divmetrics.inference.verdict.wording import ADVICE, EVIDENCE, WORDS
from divmetrics.records.metric import METRICS
from divmetrics.records.verdict import Verdict

D, MODES, N = 16, 10, 400
CENTRES = np.random.default_rng(7).normal(size=(MODES, D)) * 1.5


def modes(rng: np.random.Generator, n: int, *, width: float = 1.0, shares: list[float] | None = None) -> np.ndarray:
    """Samples `[n, D]` of the ten modes."""
    p = np.ones(MODES) if shares is None else np.array(shares, float)
    return CENTRES[rng.choice(MODES, n, p=p / p.sum())] + 0.7 * width * rng.normal(size=(n, D))


def grid(rng: np.random.Generator, n: int, *, modes: int = 25) -> np.ndarray:
    """Samples `[n, 2]` of the first `modes` of 25 narrow modes on a grid."""
    centres = np.array([(x, y) for x in range(5) for y in range(5)], float)
    return centres[rng.integers(0, modes, n)] + 0.05 * rng.normal(size=(n, 2))


def repeated(rng: np.random.Generator, samples: np.ndarray, share: float) -> np.ndarray:
    """The samples, of which a share is replaced by near-copies of the others."""
    count = round(share * len(samples))
    sources = samples[rng.integers(count, len(samples), count)]
    return np.concatenate([sources + 1e-3 * rng.normal(size=sources.shape), samples[count:]])


Sides = tuple[np.ndarray, np.ndarray]


@pytest.fixture(autouse=True)
def _fewer_permutations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("divmetrics.inference.verdict.judging.PERMUTATIONS", 299)


def judged(real: np.ndarray, fake: np.ndarray, **options: object) -> Verdict:
    return judge(Rows.from_array(real), Rows.from_array(fake), Question(), **options).verdict  # type: ignore[arg-type]


def atoms(rng: np.random.Generator) -> Sides:
    return modes(rng, N), modes(rng, 30)[rng.integers(0, 30, N)]


FAULTS: dict[str, tuple[Callable[[np.random.Generator], Sides], str]] = {
    "a mode dropped": (lambda rng: (modes(rng, N), modes(rng, N, shares=[0] + [1] * 9)), "dropped_modes"),
    "five modes of 25 dropped": (lambda rng: (grid(rng, N), grid(rng, N, modes=20)), "dropped_modes"),
    "five modes halved": (lambda rng: (modes(rng, N), modes(rng, N, shares=[0.4] * 5 + [1.6] * 5)), "thinned_modes"),
    "narrow modes": (lambda rng: (modes(rng, N), modes(rng, N, width=0.7)), "shrunken_modes"),
    "repeated samples": (
        lambda rng: (repeated(rng, modes(rng, N), 0.03), repeated(rng, modes(rng, N), 0.3)),
        "near_duplicates",
    ),
    "atoms": (atoms, "few_atoms"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_called_by_its_name(fault: str) -> None:
    make, kind = FAULTS[fault]
    verdict = judged(*make(np.random.default_rng(5)))
    assert verdict.state == "collapsed"
    assert verdict.findings[0].kind == kind
    assert verdict.findings[0].p == pytest.approx(1 / 300)
    assert verdict.text.startswith("collapsed, at a false-alarm rate of 0.01: ")


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda rng: (modes(rng, N), modes(rng, N, width=1.4)), "low_fidelity"),
        (lambda rng: (modes(rng, N), modes(rng, N) + 1.5), "low_fidelity"),
        (lambda rng: (modes(rng, N, shares=[0] + [1] * 9), modes(rng, N)), "invented_modes"),
    ],
)
def test_poor_fidelity_is_no_collapse(make: Callable[[np.random.Generator], Sides], kind: str) -> None:
    verdict = judged(*make(np.random.default_rng(6)))
    assert verdict.state == "poor_fidelity"
    assert verdict.findings[0].kind == kind
    assert not {finding.kind for finding in verdict.findings} & set(LOST)


def test_missing_modes_of_many_are_named_before_what_follows_from_them() -> None:
    rng = np.random.default_rng(26)
    centres = rng.permutation(np.array([(x, y) for x in range(10) for y in range(10)], float))
    real, fake = (centres[rng.integers(0, kept, 900)] + 0.05 * rng.normal(size=(900, 2)) for kept in (100, 90))
    verdict = judged(real, fake)
    assert verdict.state == "collapsed"
    assert [finding.kind for finding in verdict.findings] == ["dropped_modes"]


@pytest.mark.slow
def test_a_missing_one_of_overlapping_modes_is_seen_in_the_leading_components() -> None:
    rng = np.random.default_rng([28, sum(b"10 modes 4 widths apart, d=64, 1 missing")])  # was called healthy
    centres = 0.354 * rng.normal(size=(10, 64))
    real, fake = (
        centres[rng.choice(10, 1000, p=np.repeat([1 / kept, 0], [kept, 10 - kept]))] + rng.normal(size=(1000, 64))
        for kept in (10, 9)
    )
    verdict = judged(real, fake)
    assert verdict.state == "collapsed"
    assert verdict.findings[0].tests == ("emptiest_of_leading_clusters",)


def test_a_dropped_mode_is_measured_and_shown() -> None:
    rng = np.random.default_rng(8)
    real = modes(rng, N)
    verdict = judged(real, modes(rng, N, shares=[1] * 9 + [0]))
    finding = verdict.findings[0]
    nearest = np.linalg.norm(real[:, None] - CENTRES, axis=2).argmin(1)
    assert finding.effect == pytest.approx((nearest == MODES - 1).mean(), abs=0.01)
    assert finding.unit == "share of the real samples"
    assert {nearest[int(name.removeprefix("real #"))] for name in finding.samples} == {MODES - 1}
    assert finding.advice == ADVICE["dropped_modes"]


def test_classes_are_named() -> None:
    rng = np.random.default_rng(9)
    real, fake = modes(rng, N), modes(rng, N, shares=[1] * 8 + [0, 0])
    names = [[f"class {k}" for k in np.linalg.norm(s[:, None] - CENTRES, axis=2).argmin(1)] for s in (real, fake)]
    finding = judged(real, fake, classes=tuple(names)).findings[0]
    assert finding.modes == ("class 8", "class 9")
    assert "class 8, class 9" in finding.text


def test_classes_are_lost_wherever_the_fake_samples_lie() -> None:
    rng = np.random.default_rng(20)
    real, fake = modes(rng, N), modes(rng, N, shares=[1] * 5 + [0] * 5)
    names = [[f"class {k}" for k in np.linalg.norm(s[:, None] - CENTRES, axis=2).argmin(1)] for s in (real, fake)]
    assert judged(real, fake + 4).state == "poor_fidelity"
    verdict = judged(real, fake + 4, classes=tuple(names))
    assert verdict.state == "collapsed"
    assert verdict.findings[0].modes == tuple(f"class {k}" for k in range(5, 10))
    assert "low_fidelity" in [finding.kind for finding in verdict.findings]


def test_the_width_of_modes_is_the_effect() -> None:
    rng = np.random.default_rng(10)
    finding = judged(modes(rng, N), modes(rng, N, width=0.6)).findings[0]
    assert finding.effect == pytest.approx(0.6, abs=0.03)
    assert "0.6" in finding.text


def test_repeated_samples_are_shown() -> None:
    rng = np.random.default_rng(11)
    fake = repeated(rng, modes(rng, N), 0.3)
    finding = judged(modes(rng, N), fake).findings[0]
    distance = np.linalg.norm(fake[:, None] - fake, axis=2) + 9 * np.eye(N)
    twins = {f"fake #{i}" for i in np.flatnonzero(distance.min(1) < 0.02)}
    assert set(finding.samples) <= twins
    assert finding.effect == pytest.approx(len(twins) / N, abs=0.05)


def test_a_faithful_generator_is_healthy_once_there_are_enough_samples() -> None:
    rng = np.random.default_rng(12)
    verdict = judged(modes(rng, 1500), modes(rng, 1500))
    assert (verdict.state, verdict.findings, verdict.n_needed) == ("healthy", (), None)
    assert "less than 10%" in verdict.text


def test_few_samples_are_inconclusive_and_say_how_many_would_do() -> None:
    rng = np.random.default_rng(13)
    verdict = judged(modes(rng, 60), modes(rng, 60))
    assert verdict.state == "inconclusive"
    assert verdict.n_needed is not None
    assert 60 < verdict.n_needed < 20_000
    assert str(verdict.n_needed) in verdict.text
    few = judged(modes(rng, 49), modes(rng, 300))
    assert (few.state, few.n_needed) == ("inconclusive", 50)
    assert "49 samples are too few" in few.text


def test_copies_of_training_data_are_found_with_held_out_samples() -> None:
    rng = np.random.default_rng(14)
    train, held_out = modes(rng, N), modes(rng, N)
    fake = np.concatenate([train[:150] + 0.01 * rng.normal(size=(150, 16)), modes(rng, N - 150)])
    verdict = judged(train, fake, held_out=Rows.from_array(held_out))
    assert verdict.state == "collapsed"
    (copies,) = (finding for finding in verdict.findings if finding.kind == "copies")
    assert copies.effect == pytest.approx(150 / N, abs=0.05)
    assert all(int(name.removeprefix("fake #")) < 150 for name in copies.samples)
    honest = judged(train, modes(rng, N), held_out=Rows.from_array(held_out))
    assert not honest.findings


def test_with_held_out_samples_permutations_suffice_for_the_smallest_alpha() -> None:
    """The tests of the verdict and that of copies spend half of alpha each, so it takes twice as many to reach it."""
    rng = np.random.default_rng(26)
    train, held_out = modes(rng, 60), Rows.from_array(modes(rng, 60))
    fake = np.concatenate([train[:40] + 0.001, modes(rng, 20)])
    found = judge(Rows.from_array(train), Rows.from_array(fake), Question(alpha=0.001), held_out=held_out)
    assert {finding.kind: finding.p for finding in found.verdict.findings} == {"copies": 0.001}
    assert found.tested is not None
    assert len(found.tested.fake) == 1 + 1999


def test_copies_without_held_out_samples_leave_it_open() -> None:
    rng = np.random.default_rng(15)
    real = modes(rng, N)
    verdict = judged(real, np.concatenate([real[:200], modes(rng, 200)]))
    assert verdict.state == "inconclusive"
    assert verdict.findings[0].kind == "copies"
    assert "--held-out" in verdict.text


ODD: dict[str, Callable[[np.random.Generator], Sides]] = {
    "tied": lambda rng: rng.integers(0, 2, (2, 200, 3)).astype(float),
    "constant columns": lambda rng: np.concatenate([rng.normal(size=(2, 200, 2)), np.ones((2, 200, 3))], 2),
    "constant": lambda rng: np.zeros((2, 100, 4)),
    "n=50, d=4096": lambda rng: rng.normal(size=(2, 50, 4096)).astype(np.float32),
    "heavy tails": lambda rng: rng.standard_cauchy(size=(2, 150, 2)),
    "3 % real copies": lambda rng: (repeated(rng, modes(rng, 200), 0.03), modes(rng, 200)),
    "far from 0": lambda rng: 1e6 + rng.normal(size=(2, 150, 3)),
    "one column": lambda rng: rng.normal(size=(2, 120, 1)),
    "float16": lambda rng: rng.normal(size=(2, 120, 3)).astype(np.float16),
    "columns of all sizes": lambda rng: rng.normal(size=(2, 120, 8)) * 10.0 ** np.arange(-12, 12, 3),
    "large": lambda rng: 1e30 * rng.normal(size=(2, 120, 3)),
    "one outlier": lambda rng: (
        np.concatenate([rng.normal(size=(119, 3)), np.full((1, 3), 1e8)]),
        rng.normal(size=(120, 3)),
    ),
    "ten times as many": lambda rng: (rng.normal(size=(600, 3)), rng.normal(size=(60, 3))),
    "a tenth as many": lambda rng: (rng.normal(size=(60, 3)), rng.normal(size=(600, 3))),
}


@pytest.mark.parametrize("kind", ODD)
def test_odd_samples_of_one_distribution_are_not_accused(kind: str) -> None:
    real, fake = ODD[kind](np.random.default_rng(16))
    verdict = judged(real, fake)
    assert verdict.state in ("inconclusive", "healthy")
    assert verdict.findings == ()


@pytest.mark.parametrize("points", [1, 2])
@pytest.mark.parametrize("apart", [0.0, 1e-3])
def test_fakes_of_one_or_two_points_have_collapsed_wherever_they_lie(points: int, apart: float) -> None:
    rng = np.random.default_rng(21)
    fake = modes(rng, points)[rng.integers(0, points, 150)] + apart * rng.normal(size=(150, D))
    for far in (0.0, 30.0):
        verdict = judged(modes(rng, 150), fake + far)
        assert (verdict.state, verdict.findings[0].kind) == ("collapsed", "few_atoms")
        assert verdict.findings[0].effect == pytest.approx(1)


def test_the_real_samples_themselves_are_copies() -> None:
    real = modes(np.random.default_rng(22), 150)
    verdict = judged(real, real)
    assert (verdict.state, verdict.findings[0].kind, verdict.n_needed) == ("inconclusive", "copies", None)


@pytest.mark.parametrize("kinds", [1, 100_000])
def test_any_number_of_classes(kinds: int) -> None:
    rng = np.random.default_rng(23)
    names = [[f"class {k}" for k in rng.integers(0, kinds, 150)] for _ in range(2)]
    verdict = judged(rng.normal(size=(150, 3)), rng.normal(size=(150, 3)), classes=tuple(names))
    assert verdict.state in ("inconclusive", "healthy")
    assert verdict.findings == ()


def test_classes_that_all_differ_are_missing() -> None:
    rng = np.random.default_rng(24)
    verdict = judged(*rng.normal(size=(2, 150, 3)), classes=(["a"] * 150, ["b"] * 150))
    assert (verdict.state, verdict.findings[0].kind) == ("collapsed", "dropped_modes")
    assert verdict.findings[0].effect == 1


def found(kind: str, effect: float, *tests: str) -> Found:
    return Found(kind, 0.001, effect, "", "", tests, 5.0)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fault", "state"),
    [
        (found("thinned_modes", 0.04, "thin_clusters"), "healthy"),
        (found("thinned_modes", 0.14, "thin_clusters"), "collapsed"),
        (found("shrunken_modes", 0.97, "width"), "healthy"),
        (found("narrow", 0.05, "avoided_16"), "healthy"),
        (found("narrow", 0.02, "empty_16"), "collapsed"),  # where no fake sample is, something is missing
        (found("thinned_modes", 0.02, "empty_64", "lacking"), "collapsed"),
        (found("dropped_modes", 0.01, "emptiest_of_clusters"), "collapsed"),
        (replace(found("thinned_modes", 0.01, "thin_classes"), nearly_gone=True), "collapsed"),
    ],
)
def test_a_loss_is_small_where_all_claims_hold_and_no_region_is_empty(fault: Found, state: str) -> None:
    holds, open_claim = Claim("width", 1, 0.95, 0.9), Claim("width", 1, 0.85, 0.9)
    assert _state([fault], [holds], 0.1, known_copies=False, suspected=False)[0] == state
    assert _state([fault], [holds, open_claim], 0.1, known_copies=False, suspected=False)[0] == "collapsed"
    assert _state([fault], [holds], 0.1, known_copies=False, suspected=True)[0] == "collapsed"


@pytest.mark.parametrize(("bound", "state"), [(0.96, "healthy"), (0.94, "collapsed")])
def test_a_small_loss_of_mass_is_small_even_if_half_of_it_is_not_seen(bound: float, state: str) -> None:
    kept = Claim("the mass that the modes keep", 0.97, bound, 0.9)
    thinned, narrower = found("thinned_modes", 0.03, "thin_clusters"), found("shrunken_modes", 0.95, "width")
    assert _state([thinned], [kept], 0.1, known_copies=False, suspected=False)[0] == state
    assert _state([narrower], [kept], 0.1, known_copies=False, suspected=False)[0] == "healthy"


def test_few_repeats_are_small_whatever_else_is_open() -> None:
    repeats = found("near_duplicates", 0.06, "twins")
    few, many = Claim(DISTINCT, 0.97, 0.95, 0.9), Claim(DISTINCT, 0.92, 0.89, 0.9)
    holds, open_claim = Claim("width", 1, 0.95, 0.9), Claim("width", 1, 0.85, 0.9)
    assert _state([repeats], [few, holds], 0.1, known_copies=False, suspected=False)[0] == "healthy"
    assert _state([repeats], [few, open_claim], 0.1, known_copies=False, suspected=False)[0] == "inconclusive"
    assert _state([repeats], [many, holds], 0.1, known_copies=False, suspected=False)[0] == "collapsed"
    text = _sentence("inconclusive", [repeats], [few, open_claim], Question(), 800)
    assert "samples repeat each other, by less than 10%; no other loss of diversity is found" in text
    healthy = "healthy: with 95 % confidence less than 10% of the diversity of the real samples is lost"
    aside = " (found, but smaller than that: samples repeat each other)."
    assert _sentence("healthy", [repeats], [few, holds], Question(), None) == healthy + aside
    assert _sentence("healthy", [], [few, holds], Question(), None) == f"{healthy}."


@pytest.mark.parametrize(("share", "state"), [(0.03, "healthy"), (0.2, "collapsed")])
def test_exact_repeats_are_a_matter_of_degree(share: float, state: str) -> None:
    rng = np.random.default_rng(27)
    real, fake = modes(rng, N), modes(rng, N)
    fake[: round(share * N)] = fake[-round(share * N) :]
    verdict = judged(real, fake)
    assert (verdict.state, verdict.findings[0].kind) == (state, "near_duplicates")


def test_many_copies_of_one_sample_are_repeats() -> None:
    rng = np.random.default_rng(28)
    real, fake = modes(rng, 200), modes(rng, 200)
    fake[:60] = fake[-1]
    verdict = judged(real, fake)
    assert (verdict.state, verdict.findings[0].kind) == ("collapsed", "near_duplicates")
    assert verdict.findings[0].effect == pytest.approx(0.3, abs=0.02)
    assert not {"shrunken_modes", "invented_modes"} & {finding.kind for finding in verdict.findings}


@pytest.mark.parametrize(("count", "noise"), [(1, 1e-4), (2, 0.0), (5, 1e-4), (20, 0.0)])
def test_few_atoms_among_spread_samples_come_first(count: int, noise: float) -> None:
    rng = np.random.default_rng(29)
    real, points = rng.normal(size=(80, 3)), rng.normal(size=(count, 3))
    fake = points[np.arange(120) % count] + noise * rng.normal(size=(120, 3))
    finding = judged(real, fake).findings[0]
    assert (finding.kind, finding.effect) == ("few_atoms", pytest.approx(1, abs=0.02))


def test_a_narrow_whole_is_no_poor_fidelity() -> None:
    rng = np.random.default_rng(30)
    verdict = judged(modes(rng, 200), 0.2 * modes(rng, 200))
    assert (verdict.state, verdict.findings[0].kind) == ("collapsed", "shrunken_modes")


ROOT = np.random.default_rng(31)
REAL, FAKE = modes(ROOT, 800), modes(ROOT, 800)
MODE = np.linalg.norm(FAKE[:, None] - CENTRES, axis=2).argmin(1)
ORDER = ROOT.permutation(800)


def drawn_in(rows: np.ndarray, severity: float) -> np.ndarray:
    return (rows - rows.mean(0)) * (1 - severity) + rows.mean(0)


def dropped(rows: np.ndarray, severity: float) -> np.ndarray:
    """Of two modes, this part of the samples is replaced by samples of the others."""
    mode, order = MODE[: len(rows)], ORDER[len(rows) > ORDER]
    lost = order[mode[order] < 2]
    lost = lost[: round(severity * len(lost))]
    changed, others = rows.copy(), CENTRES[2 + np.arange(len(lost)) % (MODES - 2)]
    changed[lost] = others + 0.7 * np.random.default_rng(32).normal(size=(len(lost), D))
    return changed


def again(rows: np.ndarray, severity: float) -> np.ndarray:
    changed, count = rows.copy(), round(0.9 * severity * len(rows))
    changed[:count] = rows[count + np.arange(count) % (len(rows) - count)]
    return changed


LOSSES = {"drawn in": drawn_in, "dropped": dropped, "repeated": again}
RANK = {"healthy": 0, "inconclusive": 1, "collapsed": 2}


def worse_and_worse(loss: str, n: int, severities: list[float]) -> tuple[list[int], list[float]]:
    """Ranks of the states, and the smallest p-values, for losses that grow on the same draw."""
    verdicts = [judged(REAL[:n], LOSSES[loss](FAKE[:n], severity)) for severity in severities]
    least = [min((finding.p for finding in verdict.findings), default=1.0) for verdict in verdicts]
    return [RANK[verdict.state] for verdict in verdicts], least


@pytest.mark.parametrize("loss", LOSSES)
def test_more_of_a_loss_never_looks_healthier(loss: str) -> None:
    states, least = worse_and_worse(loss, 100, [0, 0.5, 1])
    assert states == sorted(states)
    assert states[-1] == RANK["collapsed"]
    assert all(later <= max(earlier, 0.01) for earlier, later in pairwise(least)), "no clearly greater p-value"


@pytest.mark.slow
@pytest.mark.parametrize("loss", LOSSES)
def test_more_of_a_loss_never_looks_healthier_in_small_steps(loss: str) -> None:
    states, least = worse_and_worse(loss, 800, [0, 0.04, 0.1, 0.2, 0.4, 0.7, 1])
    assert states == sorted(states)
    assert states[0] < states[-1] == RANK["collapsed"]
    assert all(later <= max(earlier, 0.01) for earlier, later in pairwise(least)), "no clearly greater p-value"


@pytest.mark.slow
@pytest.mark.parametrize("dropped", [0, 1])
def test_a_missing_mode_among_directions_that_all_modes_share_is_doubted(dropped: int) -> None:
    """Five directions vary ten times as much as the modes, so that no cluster and no neighbourhood shows it alone."""
    rng = np.random.default_rng([2, 7])
    centres = 0.354 * rng.normal(size=(10, 64))
    shared = rng.normal(size=(5, 64))
    shared /= np.linalg.norm(shared, axis=1, keepdims=True)
    real, fake = (
        centres[rng.integers(0, kept, 1000)] + rng.normal(size=(1000, 64)) + 10 * rng.normal(size=(1000, 5)) @ shared
        for kept in (10, 10 - dropped)
    )
    assert judged(real, fake).state == ("inconclusive" if dropped else "healthy")


@pytest.mark.slow
def test_a_missing_mode_beside_wide_directions_is_doubted() -> None:
    """Only clusters of whitened components see this one."""
    rng = np.random.default_rng([2, 946])
    centres, widths = 0.354 * rng.normal(size=(10, 64)), np.repeat([10, 1], [5, 59])
    real, fake = (centres[rng.integers(0, kept, 1000)] + widths * rng.normal(size=(1000, 64)) for kept in (10, 9))
    found = judge(Rows.from_array(real.astype(np.float32)), Rows.from_array(fake.astype(np.float32)), Question(seed=2))
    assert found.verdict.state == "inconclusive"
    assert "a region seems to lack fake samples" in found.verdict.text


def test_nothing_is_healthy_while_a_region_seems_empty() -> None:
    holds = Claim("width", 1, 0.95, 0.9)
    assert _state([], [holds], 0.1, known_copies=False, suspected=False)[0] == "healthy"
    assert _state([], [holds], 0.1, known_copies=False, suspected=True)[0] == "inconclusive"
    text = _sentence("inconclusive", [], [holds], Question(), 800)
    assert "a region seems to lack fake samples" in text
    assert "800" in text


def test_sizes_beyond_those_that_are_tested_are_not_asked_for() -> None:
    open_claim = Claim("width", 1, 0.85, 0.9)
    text = _sentence("inconclusive", [], [open_claim], Question(), None)
    assert "larger --tolerance" in text
    assert "0.85 of that of the real samples, and 0.9 must be shown" in text
    assert "As many as 5000" in _sentence("inconclusive", [], [open_claim], Question(), LARGEST)
    rng = np.random.default_rng(25)
    few = judge(*(Rows.from_array(modes(rng, 60)) for _ in range(2)), Question(tolerance=0.001))
    assert few.verdict.n_needed == LARGEST


def test_unequal_sizes() -> None:
    rng = np.random.default_rng(17)
    assert not judged(modes(rng, 900), modes(rng, 150)).findings
    assert judged(modes(rng, 900), modes(rng, 150, width=0.6)).findings[0].kind == "shrunken_modes"


def test_the_verdict_is_the_same_every_time() -> None:
    rng = np.random.default_rng(18)
    real, fake = modes(rng, 200), modes(rng, 200, width=0.8)
    assert judged(real, fake) == judged(real, fake)


def test_every_kind_has_words_advice_and_evidence() -> None:
    assert set(WORDS) == set(ADVICE) == set(EVIDENCE)
    assert {metric for metrics in EVIDENCE.values() for metric in metrics} <= {metric.name for metric in METRICS}


def test_evidence_are_keys_of_the_report() -> None:
    rng = np.random.default_rng(19)
    naming = Naming(keys=("fid@x", "recall@x", "spacing_ratio@x"))
    verdict = judged(modes(rng, 200), modes(rng, 200, width=0.6), naming=naming)
    assert verdict.findings[0].evidence == ("spacing_ratio@x", "recall@x")
