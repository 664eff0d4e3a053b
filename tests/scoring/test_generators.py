from pathlib import Path

import pytest

from divmetrics.errors import SourceError, UsageError
from divmetrics.scoring.generators import Generators


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["runs/a/", "runs/b.npz"], ["a", "b"]),
        (["runs/a/samples", "runs/b/samples"], ["a/samples", "b/samples"]),
        (["x/1/s", "y/1/s", "z"], ["x/1/s", "y/1/s", "z"]),
        (["a.npy", "a.npz"], ["a.npy", "a.npz"]),
        (["zoo:ring-8", "zoo:ring-8?seed=1"], ["ring-8", "ring-8?seed=1"]),
        (["m/real", "n"], ["m/real", "n"]),
        ([Path("a"), "b.tar.gz"], ["a", "b"]),
    ],
)
def test_names_are_the_shortest_ends_that_differ(paths: list, names: list[str]) -> None:
    found = Generators.of(paths, steps=False)
    assert list(found.samples) == names
    assert found.steps is None


@pytest.mark.parametrize(
    ("names", "steps"),
    [
        (["step_001000", "step_500"], (500, 1000)),
        (["epoch=3-step=900", "epoch=1-step=300"], (300, 900)),
        (["step_20_seed0", "step_10_seed0"], (10, 20)),
        (["a7/10/x", "a7/9/x"], (9, 10)),
    ],
)
def test_steps_are_the_last_number_that_tells_names_apart(names: list[str], steps: tuple[int, ...]) -> None:
    assert Generators.of(dict.fromkeys(names, 0), steps=True).steps == steps


def test_keys_that_are_numbers_are_steps() -> None:
    found = Generators.of({20: "b", 3: "a"}, steps=False)
    assert (found.samples, found.steps) == ({"3": "a", "20": "b"}, (3, 20))
    assert Generators.of({-1: "b", 1: "a"}, steps=True).steps == (-1, 1)
    assert Generators.of({"20": "b", "3": "a"}, steps=False).steps is None


def test_a_pattern_stands_for_its_matches_in_the_order_of_steps(tmp_path: Path) -> None:
    for name in ("step_9.npy", "step_10.npy", ".step_3.npy"):
        (tmp_path / name).touch()
    found = Generators.of([str(tmp_path / "step_*"), str(tmp_path / "step_9.npy")][:1], steps=True)
    assert (list(found.samples), found.steps) == (["step_9", "step_10"], (9, 10))
    with pytest.raises(SourceError, match="matches"):
        Generators.of([str(tmp_path / "nothing_*")], steps=True)


@pytest.mark.parametrize(
    ("given", "steps", "words"),
    [
        ([], False, "at least two generators, got 0"),
        ("a", False, "at least two generators, got 1. Several checkpoints"),
        ({"a": 1}, False, "at least two generators, got 1"),
        (["a", "b", "./a"], False, "./a is given twice"),
        ({1: 0, "1": 0}, False, "two generators are called '1'"),
        ({"real": 0, "a": 0}, False, "cannot be called 'real'"),
        ({" ": 0, "a": 0}, False, "cannot be called ''"),
        (7, False, "not a int"),
        ([1, 2], False, "list of paths"),
        (["step_1", "last"], True, "no step in the name 'last'"),
        (["a/step_1", "b/step_1"], True, "both hold step 1"),
        (["s1", f"s{2**63}"], True, f"the step of 's{2**63}' is too large; give one of at most {2**63 - 1}"),
        ({1: 0, 10**50: 0}, False, "is too large"),
        ({"a": 0, "9" * 5000: 0}, True, "no step in the name 'a'"),
        ({"1": 0, "9" * 5000: 0}, True, "is too large"),
    ],
)
def test_what_is_wrong_is_said(given: object, steps: bool, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Generators.of(given, steps=steps)
