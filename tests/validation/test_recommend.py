"""The smallest set that answers for everything."""

from divmetrics.validation.ladders import COLUMNS
from divmetrics.validation.recommend import sharper, smallest, uncovered
from divmetrics.validation.records import LadderRow, Rung


def rows(sees: dict[str, str], detected: float = 0.2) -> list[LadderRow]:
    return [
        LadderRow(
            f"t-{letter}",
            name,
            letter,
            1.0,
            1.0,
            detected,
            0.0,
            "sees" if letter in seen else "blind",
            (Rung(0, 0, 0, 0),),
        )
        for name, seen in sees.items()
        for letter in COLUMNS
    ]


def test_it_is_the_smallest_whose_roles_answer() -> None:
    table = rows(
        {
            "coverage": "ABD",
            "recall": "ACDEH",
            "precision": "EFH",
            "density": "E",
            "fid": "ABCDEFH",
            "authenticity": "G",
        }
    )
    assert smallest(table) == ("authenticity", "coverage", "precision", "recall")
    assert uncovered(table, smallest(table)) == ()
    assert uncovered(table, ["coverage"]) == ("C", "E", "F", "G", "H")


def test_of_two_that_see_the_same_the_sharper_is_taken() -> None:
    assert smallest([*rows({"recall": "A"}, 0.5), *rows({"coverage": "A"}, 0.1)]) == ("coverage",)


def test_nothing_that_needs_more_than_two_sides_is_asked_for() -> None:
    assert smallest(rows({"c_t": "G", "mode_kl": "AB"})) == ()
    assert smallest([]) == ()


def test_classes_and_held_out_samples_are_used_where_they_see_more() -> None:
    table = [*rows({"coverage": "ABCD", "precision": "EFH", "authenticity": "G"}, 0.4), *rows({"mode_kl": "AB"}, 0.1)]
    base = smallest(table)
    assert sharper(table, base) == ("mode_kl",)
    assert sharper([*table, *rows({"c_t": "G"}, 0.5)], base) == ("mode_kl",)
    assert sharper([*table, *rows({"c_t": "G"}, 0.3)], base) == ("c_t", "mode_kl")


def test_of_equally_sharp_ones_that_is_taken_which_serves_twice() -> None:
    table = [
        *rows({"coverage": "ABCD", "precision": "EFH", "authenticity": "G"}, 0.4),
        *rows({"am_score": "A", "mode_kl": "A"}, 0.1),
        *rows({"effective_modes": "AB"}, 0.1),
    ]
    assert sharper(table, smallest(table)) == ("effective_modes",)
