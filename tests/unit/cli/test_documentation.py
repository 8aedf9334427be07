"""docs/lens.md names every command and option, every exit code and every word of the JSON."""

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import typer

from flujo_otel.model import Loss, Step
from flujo_otel.query.comparison import Particulars
from flujo_otel.query.mover import Mover
from flujo_otel.query.tree import Node
from flujo_otel.server import Addresses, Counts
from flujo_otel.spanstore.api import NameStatistics
from flujo_otel.spanstore.changes import SpanChange
from flujo_otel.spanstore.diagnosis import Diagnosis, Received
from flujo_otel.spanstore.maintenance import Health
from flujo_otel_cli.command_line import COMMANDS, LateCommands, app
from flujo_otel_cli.commands.doctor import Examined
from flujo_otel_cli.commands.doctor import document_of as doctor_document
from flujo_otel_cli.comparison.document import comparison_document
from flujo_otel_cli.comparison.sides import Side, Sides
from flujo_otel_cli.document import run_document, span_document, statistics_document, step_document
from flujo_otel_cli.moment import RunMoment, SpanMoment
from flujo_otel_cli.picture import Drawing
from flujo_otel_cli.problem import Exit
from unit.cli.scenes import a_run, a_span
from unit.cli.test_findings import health

ROOT = Path(__file__).parents[3]
DOCS = (ROOT / "docs" / "lens.md").read_text()
GROUP: Any = typer.main.get_command(app)
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


@pytest.mark.parametrize(("command", "said"), COMMANDS.items())
def test_the_help_says_of_a_command_what_it_says_itself(command: str, said: str) -> None:
    assert GROUP.get_command(None, command).help.partition(". ")[0].strip(".") == said.strip(".")


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


DOCTOR = (ROOT / "docs" / "doctor.md").read_text()


def test_every_line_that_doctor_can_say() -> None:
    sources = [
        ROOT / "cli" / "flujo_otel_cli" / name for name in ("findings.py", "commands/doctor.py")
    ]
    text = "".join(source.read_text() for source in sources)
    said = set(re.findall(r'"(?:completed|warning|failed)",\s*"([\w-]+)"', text))
    assert {subject for subject in said if f"| `{subject}` |" not in DOCTOR} == set()
    assert len(said) > 12


def test_every_word_of_doctor_s_json() -> None:
    diagnosis = Diagnosis("", 0, (Received("app", 1, 0),), (), 0, 0)
    examined = Examined(health(), diagnosis, (), None)
    document = doctor_document(examined)
    [service] = document["services"]
    words = {*document.keys() - {field.name for field in fields(Health)}, *service}
    assert {word for word in words if f"`{word}`" not in DOCTOR} == set()


def test_every_word_of_what_happens_and_of_what_is_running() -> None:
    change = SpanMoment(SpanChange(1, 1, a_span(1, "s", 0, 1))).document()
    words = {*change, *RunMoment(a_run()).document(), "died", "started", "ended"}
    words |= {"running", "died_earlier", "open_spans", "over_ns", "hung"}
    text = DOCS.partition("## JSON")[2]
    assert {word for word in words if f'"{word}"' not in text} == set()


def test_every_word_of_a_comparison() -> None:
    run = a_run()
    node = Node("n", "completed", 0, 1, a_span(1, "s", 0, 1))
    side = Side(run, Drawing("id", "id"), node, [], Particulars({}))
    sides = Sides(side, side)
    found = comparison_document(sides, sides.compared(), values=True)
    [each] = found["nodes"]
    words = {*found, *each, *each["base"], *each["change"], *Mover._fields, "change_ns"}
    text = DOCS.partition("## JSON")[2]
    assert {word for word in words if f'"{word}"' not in text and f"`{word}`" not in text} == set()


def test_every_word_of_the_server_s_lines() -> None:
    words = {*Counts._fields, *Addresses._fields, "event", "ready", "stopped", "pid", "all_written"}
    text = DOCS.partition("## JSON")[2]
    assert {word for word in words if f'"{word}"' not in text} == set()
