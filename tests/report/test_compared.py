"""The table of a comparison: what it says, and that it fits."""

import re
from collections.abc import Callable

import pytest

from divmetrics.records.comparison import Comparison, Fall, Place, Ranking
from divmetrics.report import markdown, table
from divmetrics.report.compared import comparison_page, fall_text

KEY = "recall@efficientnet-lite0"
STEPS = {"steps": (30, 10, 20), "falls": (Fall(KEY, 30, 10, 0.4123, 0.9012, 3e-7),)}
NUMBERS = {"0.4123", "0.9012", "0.8912", "0.362,", "0.462]", "0.851,", "0.951]"}


@pytest.mark.parametrize("width", [40, 60, 80, 140])
@pytest.mark.parametrize("changes", [{}, STEPS], ids=["generators", "steps"])
def test_it_fits_and_cuts_no_digits(width: int, changes: dict, compared: Callable[..., Comparison]) -> None:
    text = table.render(comparison_page(compared(**changes)), width)
    assert max(map(len, text.splitlines())) <= width
    words = {word.strip("[,") if word.startswith("[") else word for word in re.split(r"\s+", text)}
    assert {number.strip(",]") for number in NUMBERS} <= {word.strip(",]") for word in words}


def test_the_best_come_first_and_groups_are_shown(compared: Callable[..., Comparison]) -> None:
    text = table.render(comparison_page(compared()), 120)
    rows = [line.split() for line in text.splitlines() if re.match(r"(!| ) (best|also|worse) +\d", line)]
    assert [row[:3] for row in rows] == [["best", "1", "a"], ["also", "1", "a"], ["!", "worse", "3"]]
    assert "-0.489 [-0.600, -0.379]" in text
    assert "<0.0001" in text
    assert "Modes with 20.0% are missing: cat." in text
    assert "a sentence with a reason why." in text
    assert "A note." in text


def test_a_curve_marks_where_collapse_set_in(compared: Callable[..., Comparison]) -> None:
    text = table.render(comparison_page(compared(**STEPS)), 140)
    assert "diversity is lost from step 30 on: recall@efficientnet-lite0 fell from 0.9012 (step 10) to 0.4123" in text
    drawn = {line.split()[-2 if "worse" not in line else 0]: line for line in text.splitlines() if "●" in line}
    assert len(drawn) == 3
    assert all(line.count("●") == 1 for line in drawn.values())
    assert "worse than step 10, p <0.0001" in text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"steps": (1, 2, 3)}, "no step loses diversity for good at a false-alarm rate of 0.01."),
        ({"steps": (1, 2, 3), "ranking": ()}, "no metric here measures diversity"),
        ({**STEPS, "falls": (Fall(KEY, 20, 10, 0.4, 0.9, 0.001, 30),)}, "and recovered by step 30"),
    ],
)
def test_what_a_run_is_said_to_do(changes: dict, words: str, compared: Callable[..., Comparison]) -> None:
    assert words in table.render(comparison_page(compared(**changes)), 200)


def test_a_rise_of_what_should_be_low() -> None:
    text = fall_text(Fall("mode_kl@labels", 2, 1, 0.5, 0.1, 0.01))
    assert text == "mode_kl@labels rose from 0.1000 (step 1) to 0.5000 at step 2 and stayed high (p 0.01)"


def test_markdown_and_hostile_names(compared: Callable[..., Comparison]) -> None:
    found = compared(notes=("a\x1b[31m\nb",))
    text = markdown.render(comparison_page(found))
    assert "\x1b" not in text
    assert "| `best` | 1 | a | 0.9012 |" in text
    assert "\x1b" not in table.render(comparison_page(found))


def test_values_without_tests(compared: Callable[..., Comparison]) -> None:
    found = compared()
    places = tuple(Place(place.name, place.value, None, None, None) for place in found.ranking[0].places)
    bare = compared(ranking=(Ranking(KEY, "recall", "higher", "diversity", places),))
    text = table.render(comparison_page(bare), 120)
    assert "so there are no ranks" in text
    assert "rank  group" not in text
