"""Documents that a newcomer follows: links lead somewhere, decision records are numbered, commands exist."""

from __future__ import annotations

import importlib
import re
import shlex
from pathlib import Path

import pytest
import typer

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


def commands_of_the_page(page: Path) -> list[list[str]]:
    """The lines of a page that call lineament, continued ones joined, cut into words, comments left out."""
    text = page.read_text("utf-8").replace("\\\n", " ")
    lines = [line.strip().removeprefix(".venv/bin/") for line in text.splitlines()]
    return [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("lineament ")]


def unknown_words(program, words: list[str]) -> list[str]:
    """Sub-commands and options of one line that the program does not have."""
    names = list(words)
    while hasattr(program, "commands"):  # a group; typer brings its own click
        name = names.pop(0) if names else ""
        if name not in program.commands:
            return [name]
        program = program.commands[name]
    known = {
        option for parameter in program.params for option in [*parameter.opts, *parameter.secondary_opts]
    }
    return [
        word for word in names if word.startswith("-") and word.partition("=")[0] not in known | {"--help"}
    ]


@pytest.mark.parametrize("name", ["README.md", "docs/blender.md", "docs/gpu.md", "docs/security.md"])
def test_when_a_page_shows_a_command_then_the_program_has_it(repository: Path, name: str) -> None:
    program = typer.main.get_command(importlib.import_module("lineament.plugin.cli").app)
    found = {
        " ".join(words): bad
        for words in commands_of_the_page(repository / name)
        if (bad := unknown_words(program, words))
    }
    assert found == {}


def test_when_a_command_is_made_up_then_it_is_found() -> None:
    program = typer.main.get_command(importlib.import_module("lineament.plugin.cli").app)
    assert unknown_words(program, ["embellish", "plate.exr"]) == ["embellish"]
    assert unknown_words(program, ["edit", "plate.exr", "--no-such-option=1", "-o", "x"]) == [
        "--no-such-option=1"
    ]


def test_when_the_readme_shows_a_recipe_then_it_can_be_read(repository: Path, tmp_path: Path) -> None:
    text = (repository / "README.md").read_text("utf-8")
    recipes = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert len(recipes) == 1
    (tmp_path / "shot.yaml").write_text(recipes[0])
    recipe = importlib.import_module("lineament.core.recipe_file").read_recipe(tmp_path / "shot.yaml")
    assert recipe.strengths_at(1040) == {"age": 1.5, "smile": 1.0}
