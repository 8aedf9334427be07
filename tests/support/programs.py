"""Real programs in processes of their own, traced by our exporter, and what they left behind."""

import os
import re
import sqlite3
import subprocess
import sys
import textwrap
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

PRELUDE = """
import asyncio, atexit, itertools, os, signal, sys, threading, time
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from flujo_otel_exporter.exporter import SQLiteSpanExporter
from flujo_otel_exporter.ids import TimeOrderedIdGenerator
from flujo_otel_exporter.processor import LiveSpanProcessor

def traced(db=None):
    provider = TracerProvider(id_generator=TimeOrderedIdGenerator())
    provider.add_span_processor(LiveSpanProcessor(SQLiteSpanExporter(db)))
    return provider

def spans(tracer, count, name="span"):
    for number in range(count):
        tracer.start_span(name, attributes={"number": number}).end()
"""

TIMEOUT_SECONDS = 60
FORK_WARNING = "ignore:This process:DeprecationWarning"
"""Python 3.12 and later warn at each fork of a process with threads, ours among them."""


def environment(db: Path, **variables: str) -> dict[str, str]:
    """This environment with our database named, and without what a developer's shell may set."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "FLUJO_"))}
    ours = {"FLUJO_OTEL_RAISE": "1", "FLUJO_OTEL_DB": str(db), "PYTHONWARNINGS": FORK_WARNING}
    return {**kept, **ours, **variables}


def write_program(folder: Path, source: str, prelude: str = PRELUDE) -> Path:
    path = folder / "program.py"
    path.write_text(prelude + textwrap.dedent(source))
    return path


def start(
    db: Path, source: str, *, prelude: str = PRELUDE, **variables: str
) -> subprocess.Popen[str]:
    """Start a program; its output is captured."""
    program = write_program(db.parent, source, prelude)
    return subprocess.Popen(
        [sys.executable, str(program)],
        env=environment(db, **variables),
        cwd=db.parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(
    db: Path, source: str, *, prelude: str = PRELUDE, status: int = 0, **variables: str
) -> tuple[str, str]:
    """Run a program to its end, which must have this status; its output and errors."""
    return finish(start(db, source, prelude=prelude, **variables), status)


def finish(process: subprocess.Popen[str], status: int = 0) -> tuple[str, str]:
    try:
        output, errors = process.communicate(timeout=TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        output, errors = process.communicate()
        raise AssertionError(f"The program hung.\n{output}\n{errors}") from None
    assert status == process.returncode, f"{output}\n{errors}"
    return output, errors


def wait_for_line(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdout is not None
    for got in process.stdout:
        if got.strip() == line:
            return
    _, errors = process.communicate()
    raise AssertionError(f"The program ended without {line!r}: {errors}")


def wait_for_spans(db: Path) -> None:
    """Until another process has committed some."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        with suppress(sqlite3.OperationalError):
            if query(db, "SELECT 1 FROM spans LIMIT 1"):
                return
        time.sleep(0.02)
    raise AssertionError("No span was committed.")


def wait_until_unpacked(db: Path) -> None:
    """Until all that a collector has stored as it came is rows."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while query(db, "SELECT COUNT(*) FROM backlog") != [(0,)]:
        assert time.monotonic() < deadline, "It was not unpacked."
        time.sleep(0.02)


def query(db: Path, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(f"{db.as_uri()}?mode=ro", uri=True, timeout=30)
    try:
        return connection.execute(statement, values).fetchall()
    finally:
        connection.close()


def names(db: Path, status: str = "completed") -> dict[str, int]:
    """How many spans of each name there are with this status."""
    statement = "SELECT name, COUNT(*) FROM spans WHERE status = ? GROUP BY name ORDER BY name"
    return dict(query(db, statement, status))


def losses(db: Path) -> dict[str, int]:
    return dict(query(db, "SELECT reason, SUM(count) FROM ledger GROUP BY reason"))


def is_sound(db: Path) -> bool:
    return query(db, "PRAGMA integrity_check") == [("ok",)]


def peak_mib(pid: int) -> int:
    """The most memory that a process has had."""
    found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) // 1024
