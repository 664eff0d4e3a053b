"""The pytest plugin: the fixture `divmetrics` and `assert_diverse`, which hold a generator to conditions in a test.

```python
def test_generator(divmetrics):
    divmetrics.assert_diverse("data/real", generate(2000), recall=">= 0.4", verdict="healthy")
```

pytest loads this module in every run, so it imports what it needs when a test uses it. PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import re
import shutil
import warnings
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from divmetrics.records.keywords import KeywordOption
    from divmetrics.records.results import Report
    from divmetrics.report.gate.conditions import Conditions
    from divmetrics.report.gate.outcomes import RuleResult

__all__ = ["Divmetrics", "NotDiverse", "assert_diverse"]

_FOLDERS: list[Path | None] = []
"""The folder for pages of the run of pytest that goes on, last; several where a run is inside another."""
NAME_LENGTH = 120
"""Most characters in the name of a page."""
_PAGES = pytest.StashKey[int]()
"""How many pages of a test have been written: subtests, teardown and repeated runs share its name."""


class NotDiverse(AssertionError):
    """Conditions do not hold. The message names them and shows the table of the report."""

    report: Report
    """All that was measured."""
    conditions: Sequence[RuleResult]
    """How each condition was judged."""


def assert_diverse(real: Any, fake: Any = None, **conditions: Any) -> Report:
    """Assert that generated samples fulfil conditions, judged as the rules of a gate are.

    Args:
        real: The reference samples, as in `dm.score`; or a report, which is judged as it is.
        fake: The samples to judge, as in `dm.score`. Left out with a report.
        **conditions: Metric -> bounds, such as `recall=">= 0.4"`, `fid="< 30"`, `precision=">= 0.5, < 1"`; with
            options or an extractor `**{"recall:k=3@pixels": ">= 0.4"}`. So for the counts `missing_modes` and
            `thinned_modes`. `verdict` names the state that the verdict must have, such as `"healthy"`,
            `"!= collapsed"` or `("healthy", "inconclusive")`; left out it is `"!= collapsed"`, and None is any.
            Other arguments are options of `dm.score`: `extractor`, `num`, `seed`, `held_out`, ...; `metrics` are
            measured besides those that the conditions name.

    Returns:
        The report.

    Raises:
        NotDiverse: A condition does not hold. A bound is held against the end of the confidence interval that counts
            against the generator: the lower end for `>=`, the upper for `<=`.
        UsageError: A condition or an option is wrong, or the report lacks what a condition names.
        MeasureError: Samples cannot be read or are too few, or a metric could not be computed.

    Warns:
        UserWarning: There are too few samples to tell how many modes are missing.

    Example:
        >>> import numpy as np
        >>> real = np.random.default_rng(0).normal(size=(200, 2))
        >>> assert_diverse(real, 0.1 * real, recall=">= 0.5", verdict=None)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        divmetrics.pytest_plugin.NotDiverse: 1 of 1 conditions does not hold: recall...
    """
    __tracebackhide__ = True
    from divmetrics.errors import DivmetricsError

    try:
        report, asked = _measured(real, fake, conditions)
        judged = asked.judged(report)
    except DivmetricsError as error:  # its sentence says all; what a user's own code raised stands in its notes
        raise error.with_traceback(None) from None
    for result in judged:
        if result.status == "inconclusive":
            warnings.warn(f"{result.name} {result.expected}: {result.text}", stacklevel=2)
    if broken := [result for result in judged if result.status in ("fail", "error")]:
        failure = NotDiverse(_message(report, judged, broken))
        failure.report, failure.conditions = report, judged
        raise failure
    return report


@dataclass(frozen=True)
class Divmetrics:
    """What the fixture `divmetrics` gives."""

    @staticmethod
    def assert_diverse(real: Any, fake: Any = None, **conditions: Any) -> Report:
        """As `divmetrics.pytest_plugin.assert_diverse`."""
        __tracebackhide__ = True
        return assert_diverse(real, fake, **conditions)


@pytest.fixture(scope="session")
def divmetrics() -> Divmetrics:
    """Conditions on generated samples: `divmetrics.assert_diverse(real, fake, recall=">= 0.4", verdict="healthy")`."""
    return Divmetrics()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--divmetrics-html`."""
    group = parser.getgroup("divmetrics", "generated samples")
    group.addoption(
        "--divmetrics-html", metavar="DIR", help="write the page of each test that fails in assert_diverse into DIR"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Find the folder for pages. Its path is made absolute, since processes of xdist may run elsewhere."""
    given = config.getoption("divmetrics_html")
    folder = None if given is None else Path(config.invocation_params.dir, given)
    if folder is not None:
        _check_folder(given, folder)
    config.option.divmetrics_html = None if folder is None else str(folder)
    _FOLDERS.append(folder)


def _check_folder(given: str, folder: Path) -> None:
    """Raise UsageError where no page could be written into a folder, which is made when there is one to write."""
    try:
        there = next(place for place in (folder, *folder.parents) if os.path.lexists(place))
        folder.exists()  # a name that is too long
    except OSError as error:
        raise pytest.UsageError(f"--divmetrics-html: no folder can be made there ({error.strerror}).") from None
    if not there.is_dir():
        words = "is a file" if there == folder else f"cannot be made, for {there} is a file"
        raise pytest.UsageError(f"--divmetrics-html {given} {words}; name a folder.")
    if not os.access(there, os.W_OK | os.X_OK):
        raise pytest.UsageError(f"--divmetrics-html {given}: no permission to write in {there}; name another folder.")


def pytest_unconfigure() -> None:
    """Forget the folder for pages."""
    if _FOLDERS:
        _FOLDERS.pop()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Write the page of a test that fails, and say where it lies."""
    result = yield
    error = None if call.excinfo is None else call.excinfo.value
    folder = item.config.getoption("divmetrics_html")
    if folder is not None and result.failed and isinstance(error, NotDiverse):
        number = item.stash[_PAGES] = item.stash.get(_PAGES, 0) + 1
        page = Path(folder, _page_name(item.nodeid, number))
        result.sections.append(("divmetrics page", _write_page(error.report, page)))
    return result


def _write_page(report: Report, page: Path) -> str:
    """Write the page of a report, and return its path, or why it could not be written."""
    from divmetrics.errors import DivmetricsError

    try:
        page.parent.mkdir(parents=True, exist_ok=True)
        report.html(page)
    except (DivmetricsError, OSError) as error:
        return f"{page} could not be written: {error}"
    return str(page)


def _page_name(test: str, number: int) -> str:
    """`tests/test_a.py::test_b` -> `tests-test_a.py-test_b.html`; with a digest where other tests may be called so.

    The second page of a test is `tests-test_a.py-test_b.2.html`, which no other test can be called.
    """
    plain = test.replace("/", "-").replace("::", "-")
    name = re.sub(r"[^A-Za-z0-9_.-]+", "_", plain)
    if name != plain or len(name) > NAME_LENGTH:
        from hashlib import sha256

        name = f"{name[:NAME_LENGTH]}-{sha256(test.encode()).hexdigest()[:8]}"
    return f"{name}.html" if number == 1 else f"{name}.{number}.html"


def _measured(real: Any, fake: Any, given: Mapping[str, Any]) -> tuple[Report, Conditions]:
    """The report that conditions are about, and the conditions. All of them are checked before a sample is read."""
    from divmetrics.errors import UsageError
    from divmetrics.records.keywords import options_of
    from divmetrics.records.results import Report
    from divmetrics.records.run_options import ScoreRequest
    from divmetrics.report.gate.conditions import conditions_of

    if isinstance(real, Report):
        metrics = {key.partition("@")[0].partition(":")[0] for key in real.metrics}
    else:
        from divmetrics.records.metric import METRICS

        metrics = {metric.name for metric in METRICS}
    known = {option.name: option for option in options_of(ScoreRequest)}
    others = {name: value for name, value in given.items() if not _is_option(known.get(name), value, metrics)}
    options = {name: value for name, value in given.items() if name not in others}
    _check_names(others, metrics, list(known))
    if isinstance(real, Report):
        if fake is not None or options:
            extra = ", ".join(["fake"] * (fake is not None) + list(options))
            raise UsageError(f"assert_diverse: a report is not measured again; leave out {extra}.")
        return real, conditions_of(others)
    if fake is None:
        raise UsageError("assert_diverse: give real and fake to measure them, or a report.")
    from divmetrics.scoring.score import score

    asked = conditions_of(others)
    keywords = {**({} if asked.rules is None else asked.rules.keywords), **options}
    if asked.rules is not None and "metrics" in options:
        keywords["metrics"] = [*asked.rules.metrics, *_listed(options["metrics"])]
    if _FOLDERS and _FOLDERS[-1] is not None:  # the page of a test that fails shows samples
        keywords = {"exhibits": True, **keywords}
    return score(real, fake, **keywords), asked


def _listed(metrics: Any) -> list[str]:
    return metrics.split(",") if isinstance(metrics, str) else [*metrics]


def _is_option(option: KeywordOption | None, value: Any, metrics: set[str]) -> bool:
    """Whether `value` is meant for an option of `score`; `precision` is also the name of a metric."""
    if option is None or (isinstance(value, str) and value.strip()[:1] in tuple("<>=!")):
        return False
    return option.name not in metrics or value in option.words


def _check_names(given: Mapping[str, Any], metrics: set[str], options: Sequence[str]) -> None:
    """Raise UnknownName for a name that is no metric, no count of modes and no option."""
    from divmetrics.errors import UnknownName
    from divmetrics.report.gate.rules import MODE_RULES

    known = {"verdict", *MODE_RULES, *metrics}
    for name in given:
        if name.partition("@")[0].partition(":")[0] not in known:
            raise UnknownName.of("condition or option of assert_diverse", name, [*known, *options])


def _message(report: Report, judged: Sequence[RuleResult], broken: Sequence[RuleResult]) -> str:
    """Which conditions do not hold and why, then the table of the report."""
    from divmetrics.records.printing import printable
    from divmetrics.report.page import report_page
    from divmetrics.report.table import render

    do = "does" if len(broken) == 1 else "do"
    names = ", ".join(result.name for result in broken)
    width = max(60, shutil.get_terminal_size((108, 24)).columns - 8)  # pytest puts its margin before each line
    return "\n".join(
        [
            f"{len(broken)} of {len(judged)} conditions {do} not hold: {names}",
            *(printable(f"  {_in_words(result)}") for result in broken),
            "",
            render(report_page(report), width).rstrip("\n"),
        ]
    )


def _in_words(result: RuleResult) -> str:
    """A condition that does not hold, with what was found."""
    from divmetrics.report.page import interval, number

    if isinstance(result.found, str) or result.found is None:
        return f"{result.name} {result.expected}: {result.text}"
    ends = f", interval {interval(result.interval)}" if result.interval is not None else ""
    judged = ", ".join(name for name, _ in result.judged)
    return f"{result.name} {result.expected}: {result.text} ({judged}; value {number(result.found)}{ends})"
