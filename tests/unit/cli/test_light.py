"""What a look loads: nothing that only JSON, another question or a writer needs."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from support.lens import TIMEOUT_SECONDS, environment

LOADED = """
import sys
from flujo_otel_cli.command_line import call
code = call(sys.argv[1:])
print(code, *sys.modules, file=sys.stderr)
"""
FOR_JSON = frozenset(
    {"flujo_otel.query.spending", "flujo_otel_cli.document", "flujo_otel_cli.dossier"}
)
FOR_WRITERS = frozenset({"flujo_otel.spanstore.sqlite.staging"})
OF_DECISIONS = frozenset({"flujo_otel.query.decision", "flujo_otel_cli.decision"})

NOT_COMPARED = frozenset(
    {
        "flujo_otel.redaction",
        "flujo_otel_cli.comparison.document",
        "flujo_otel_cli.comparison.text_difference",
        "flujo_otel_cli.document",
        "rich",
    }
)


@pytest.mark.parametrize(
    ("command", "never"),
    [
        ("trace", FOR_JSON | FOR_WRITERS | OF_DECISIONS | {"flujo_otel.redaction", "rich"}),
        ("list", FOR_JSON | FOR_WRITERS | OF_DECISIONS | {"flujo_otel.redaction", "rich"}),
        ("find classify", FOR_JSON | FOR_WRITERS | OF_DECISIONS | {"flujo_otel.redaction", "rich"}),
        ("compare last last", FOR_WRITERS | OF_DECISIONS | NOT_COMPARED),
        ("show", FOR_JSON | FOR_WRITERS | {"flujo_otel.redaction", "flujo_otel_cli.opening"}),
    ],
)
@pytest.mark.usefixtures("filled")
def test_text_is_answered_without(here: Path, command: str, never: frozenset[str]) -> None:
    assert all(map(find_spec, never))  # else one of another name would be missed
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *command.split()],
        cwd=here,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=True,
    )
    code, *loaded = done.stderr.split()
    assert code == "0" and "support-triage" in done.stdout
    assert set() == never.intersection(loaded)
