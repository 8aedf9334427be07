"""Commands that are printed to be copied do what they say, pasted where they were read."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.lens import LENS, environment

PROGRAM = """
import flujo_otel
flujo_otel.configure("a folder/traces.db")
from opentelemetry import trace
with trace.get_tracer("t").start_as_current_span("work"):
    try:
        with trace.get_tracer("t").start_as_current_span("in ner"):
            raise ValueError("sour milk")
    except ValueError:
        pass
"""
DB = ("--db", "a folder/traces.db")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a folder").mkdir()
    done = [sys.executable, "-c", PROGRAM]
    subprocess.run(done, cwd=tmp_path, env=environment(), check=True)
    return tmp_path


@pytest.mark.parametrize("is_found", [True, False])
@pytest.mark.parametrize(
    ("arguments", "shown"),
    [(("trace", "last"), "sour milk"), (("list",), "in ner"), (("show", "last"), "in ner")],
)
def test_a_hint_works_as_printed(
    folder: Path, arguments: tuple[str, ...], shown: str, *, is_found: bool
) -> None:
    variables = environment(PATH=environment()["PATH"] if is_found else os.defpath)
    typed = "lens" if is_found else os.path.relpath(LENS, folder)
    shell = {"cwd": folder, "env": variables, "text": True, "capture_output": True}
    out = subprocess.run([typed, *arguments, *DB], check=True, **shell).stdout
    hints = [line[line.index(typed) :] for line in out.splitlines() if f"{typed} " in line]
    assert hints
    for hint in hints:
        assert hint.endswith("--db 'a folder/traces.db'")
        assert shown in subprocess.run(hint, shell=True, check=True, **shell).stdout
