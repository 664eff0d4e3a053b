"""Options are declared once: calls, checks, docstrings and commands follow from the fields of the records."""

import ast
import inspect
import re
from dataclasses import MISSING
from pathlib import Path

import click
import numpy as np
import pytest
import torch

import divmetrics
from divmetrics.cli._main import commands
from divmetrics.errors import UnknownName, UsageError
from divmetrics.records.keywords import options_of
from divmetrics.records.run_options import CompareRequest, ExtractRequest, LoadRequest, MeterRequest, ScoreRequest

REQUESTS = (MeterRequest, LoadRequest, ExtractRequest, ScoreRequest, CompareRequest)
NAMES = {option.name for record in REQUESTS for option in options_of(record)}
FACES = {"score": ScoreRequest, "Meter": MeterRequest, "compare": CompareRequest}


@pytest.mark.parametrize(("name", "record"), FACES.items())
def test_signatures_and_docstrings_name_every_option(name: str, record: type) -> None:
    face = getattr(divmetrics, name)
    parameters = inspect.signature(face).parameters
    assert list(parameters) == [option.name for option in options_of(record)]
    text = " ".join(inspect.getdoc(face.__init__ if inspect.isclass(face) else face).split())
    for option in options_of(record):
        assert f" {option.name}: {option.help.text}" in text
        if parameters[option.name].default is not inspect.Parameter.empty:
            assert parameters[option.name].default == option.default
    assert text.count("Args:") == 1


def test_an_unknown_keyword_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UnknownName, match=r"unknown argument of score 'extracter'. Did you mean 'extractor'"):
        divmetrics.score("a", "b", extracter="pixels")  # type: ignore[call-arg]
    with pytest.raises(UnknownName, match=r"unknown argument of Meter 'ci_levels'. Did you mean 'ci_level'"):
        divmetrics.Meter("quick", ci_levels=0.9)  # type: ignore[call-arg]
    with pytest.raises(UnknownName, match=r"unknown argument of Meter.load 'metric'. Did you mean 'metrics'"):
        divmetrics.Meter.load("x.dms", metric="fid")  # type: ignore[call-arg]


def test_python_counts_the_arguments() -> None:
    with pytest.raises(TypeError, match="score: missing a required argument: 'fake'"):
        divmetrics.score("a")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="score: too many positional arguments"):
        divmetrics.score("a", "b", "fid")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"ci_level": 1.0}, "ci-level is 1.0; give 0 or a number of at least 0.01 and at most 0.999999."),
        ({"ci_level": -0.1}, "ci-level is -0.1;"),
        ({"ci_level": 0.9999999999999999}, "ci-level is 0.9999999999999999;"),
        ({"ci_level": 1e-99}, "ci-level is 1e-99;"),
        ({"ci_level": float("nan")}, "ci-level is nan;"),
        ({"modes": 0}, "modes is 0; give a whole number of at least 1 or None."),
        ({"modes": 2.5}, "modes is 2.5;"),
        ({"modes": True}, "modes is True;"),
        ({"num": 0}, "num is 0;"),
        ({"seed": -1}, "seed is -1; give a whole number of at least 0."),
        ({"workers": "many"}, "workers is 'many'; give a whole number of at least 0 or auto."),
        ({"max_skipped": 1.5}, "max-skipped is 1.5; give a number of at least 0 and at most 1."),
        ({"jpeg": "nvjpeg"}, "unknown jpeg 'nvjpeg'."),
        ({"metrics": 5}, "metrics is 5; give a text or a list of texts."),
        ({"metrics": ["recall", 5]}, "metrics is ['recall', 5]; give a text or a list of texts."),
        ({"metrics": None}, "metrics is None;"),
        ({"metrics": b"recall"}, "metrics is b'recall';"),
        ({"device": 0}, "device is 0; give a text or a torch.device."),
        ({"labels": {"a.png": "cat"}}, "labels is {'a.png': 'cat'}; give a text or a path or None."),
        ({"weights": 1.5}, "weights is 1.5; give a text or a path or None."),
        ({"cache": 1}, "cache is 1; give True or False or a text or a path."),
        ({"null": "no"}, "null is 'no'; give True or False."),
        ({"exhibits": 1}, "exhibits is 1; give True or False."),
    ],
)
def test_values_are_checked_before_anything_is_opened(given: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        divmetrics.score("no/such/place", "nor/this", **given)  # type: ignore[arg-type]


def test_what_stands_for_a_value_of_an_option_is_taken() -> None:
    rows = np.random.default_rng(0).normal(size=(20, 2))
    given = {"metrics": np.array(["recall", "fid"]), "null": np.False_, "device": torch.device("cpu"), "ci_level": 0}
    report = divmetrics.score(rows, rows, cache=Path("somewhere"), **given)
    assert set(report.metrics) == {"recall@features", "fid@features"}
    assert report.meta["device"] == "cpu"


def test_commands_offer_every_option_of_their_request() -> None:
    records = {"score": ScoreRequest, "gate": ScoreRequest, "extract": ExtractRequest, "compare": CompareRequest}
    for name, record in records.items():
        flags = {flag for p in commands.commands[name].params if isinstance(p, click.Option) for flag in p.opts}
        offered = [o for o in options_of(record) if o.help.command_line and o.default is not MISSING]
        assert {f"--{option.flag}" for option in offered} <= flags


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def declared(tree: ast.Module) -> list[str]:
    """Names that get a default in a module: parameters of functions, fields of classes, options of commands."""
    names = []
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            places = node.args.posonlyargs + node.args.args
            names += [place.arg for place in places[len(places) - len(node.args.defaults) :]]
            pairs = zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
            names += [place.arg for place, default in pairs if default is not None]
        elif isinstance(node, ast.ClassDef):
            fields = [field for field in node.body if isinstance(field, ast.AnnAssign) and field.value is not None]
            names += [field.target.id for field in fields if isinstance(field.target, ast.Name)]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "option":
            flags = [flag.value for flag in node.args if isinstance(flag, ast.Constant) and isinstance(flag.value, str)]
            names += [part.strip("-").replace("-", "_") for flag in flags for part in flag.split("/")]
    return names


def test_each_option_is_declared_once() -> None:
    house = Path(divmetrics.__file__).parent
    readers = [*house.glob("scoring/*.py"), house / "extraction" / "loop.py"]
    readers += [house / "cli" / f"{name}.py" for name in ("_options", "_score", "_gate", "_extract", "_compare")]
    names = NAMES - {"labels", "held_out", "samples"}  # also what one batch, one set or one file of samples has
    again = {f"{path.name}: {name}" for path in readers for name in names.intersection(declared(parsed(path)))}
    assert again == set()
    once = declared(parsed(house / "records" / "run_options.py"))
    assert sorted(once) == sorted(NAMES - {"real", "fake", "fakes", "source", "out", "path"})
