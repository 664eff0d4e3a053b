"""Addresses of the documentation follow from the metadata of the distribution."""

from email.message import Message

import pytest

from divmetrics.report.html import links


@pytest.mark.parametrize(
    ("entries", "home"),
    [
        (["Documentation, https://docs.example.org", "Homepage, https://example.org"], "https://docs.example.org/"),
        (["Homepage, https://example.org/"], "https://example.org/"),
        (["Repository, https://example.org/"], None),
        (["Homepage, http://example.org"], None),
        (["Homepage, https://divmetrics.invalid"], None),
        ([], None),
    ],
)
def test_the_home_is_that_of_the_docs_or_of_the_project(
    entries: list[str], home: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Message()
    for entry in entries:
        found["Project-URL"] = entry
    monkeypatch.setattr(links, "metadata", lambda _: found)
    assert links.docs_home.__wrapped__() == home
