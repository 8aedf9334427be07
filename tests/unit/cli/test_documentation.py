"""docs/lens.md names every command and option, every exit code and every word of the JSON."""

import re
from dataclasses import fields
from pathlib import Path

import pytest
import typer

from flujo_otel.model import Loss, Step
from flujo_otel.spanstore.api import Health, NameStatistics
from flujo_otel_cli.document import run_document, span_document, statistics_document, step_document
from flujo_otel_cli.main import COMMANDS, LateCommands, app
from flujo_otel_cli.problem import Exit
from unit.cli.scenes import a_run, a_span

DOCS = (Path(__file__).parents[3] / "docs" / "lens.md").read_text()
GROUP = typer.main.get_command(app)
assert isinstance(GROUP, LateCommands)


def section(command: str) -> str:
    """What docs/lens.md says of one command, with what it says of all."""
    text = re.split(r"^### ", DOCS, flags=re.M)
    own = next(part for part in text if part.startswith(f"lens {command}"))
    return own.partition("\n## ")[0] + DOCS.partition("## Commands")[0]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_of(command: str) -> None:
    options = {
        name
        for parameter in GROUP.get_command(None, command).params
        for name in parameter.opts
        if name.startswith("-")
    }
    assert {name for name in options if f"`{name}" not in section(command)} == set()


def test_every_option_of_lens_itself() -> None:
    names = {name for parameter in GROUP.params for name in parameter.opts}
    assert {name for name in names if f"`{name}`" not in DOCS} == set()


def test_every_exit_code() -> None:
    table = DOCS.partition("## Exit codes")[2].partition("## ")[0]
    assert {code for code in Exit if f"| {code.value} |" not in table} == set()


def test_every_word_of_the_json() -> None:
    step = Step("id", "run", "name", 0, "completed", 0, 1, 0, None, None, None, None, None)
    row = NameStatistics("n", 1, 0, 1.0, 1, 1, 1, 1, ())
    documents = (
        run_document(a_run()),
        span_document(a_span(1, "s", 0, 1)),
        step_document(step),
        statistics_document(row),
        {field.name for kind in (Health, Loss) for field in fields(kind)},
    )
    words = {word for document in documents for word in document}
    text = DOCS.partition("## JSON")[2]
    assert {word for word in words if f"`{word}`" not in text} == set()
