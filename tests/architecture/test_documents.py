"""Documents that a newcomer follows: links lead somewhere, decision records are numbered, commands exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")
COMMAND = re.compile(r"^\s*(?:\$ )?make ([a-z]+)", re.MULTILINE)


def documents(repository: Path) -> list[Path]:
    """README, CHANGELOG and everything below docs."""
    return [
        repository / "README.md",
        repository / "CHANGELOG.md",
        *sorted((repository / "docs").rglob("*.md")),
    ]


def dead_links(page: Path) -> list[str]:
    """Relative links of one page that lead nowhere."""
    links = [link for link in LINK.findall(page.read_text("utf-8")) if "://" not in link]
    return [link for link in links if not (page.parent / link).exists()]


def test_when_a_page_links_then_the_target_is_there(repository: Path) -> None:
    found = {page.name: bad for page in documents(repository) if (bad := dead_links(page))}
    assert found == {}


def test_when_a_link_is_dead_then_it_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("[there](page.md) [gone](gone.md#part) [web](https://example.org/x)")
    assert dead_links(page) == ["gone.md"]


def test_when_decisions_are_counted_then_no_number_is_missing(repository: Path) -> None:
    names = sorted(path.name for path in (repository / "docs" / "decisions").glob("DR*.md"))
    assert [name[:5] for name in names] == [f"DR{n:03d}" for n in range(1, len(names) + 1)]
    assert len(names) >= 8


@pytest.mark.parametrize("section", ["Status", "Question", "Options", "Decision", "What follows"])
def test_when_a_decision_is_recorded_then_it_shows_its_losers(repository: Path, section: str) -> None:
    records = sorted((repository / "docs" / "decisions").glob("DR*.md"))
    lacking = [
        path.name
        for path in records
        if not re.search(rf"^(## |\*\*){section}", path.read_text("utf-8"), re.MULTILINE)
    ]
    assert lacking == []


def test_when_a_page_says_make_then_the_target_exists(repository: Path) -> None:
    makefile = (repository / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    named = {name for page in documents(repository) for name in COMMAND.findall(page.read_text("utf-8"))}
    assert named - targets == set()
