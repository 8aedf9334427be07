"""`lens doctor` where something is wrong with the file: a clear word for each state."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from flujo_otel.model import Batch
from flujo_otel.spanstore.factory import open_writer
from support.lens import LENS, environment
from support.records import record

TESTS = Path(__file__).parents[2]


@pytest.fixture
def db(tmp_path: Path) -> Path:
    path = tmp_path / "flujo_otel.db"
    writer = open_writer(path)
    writer.write(Batch([record(1), record(2, 1)]))
    writer.close()
    return path


def doctor(db: Path, *options: str, without: tuple[str, ...] = ()) -> Any:
    """Exit code and what it says; `without`: a command that takes privileges away first."""
    return subprocess.run(
        [*without, LENS, "doctor", *options],
        cwd=db.parent,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_locked_database_is_a_fault_that_names_who_may_hold_it(db: Path) -> None:
    with closing(sqlite3.connect(db, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        done = doctor(db)
    assert done.returncode == 1
    assert "✘ locked " in done.stdout and "database is locked" in done.stdout


def test_a_locked_database_in_json(db: Path) -> None:
    with closing(sqlite3.connect(db, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        found = json.loads(doctor(db, "--json").stdout)
    assert (found["obstacle"], found["sound"]) == ("database is locked", False)


@pytest.fixture
def less() -> tuple[str, ...]:
    """A command that takes from root what lets it write to everything."""
    if os.geteuid() != 0:
        return ()
    if shutil.which("setpriv") is None:
        pytest.skip("root writes to everything, and there is no setpriv to be less with")
    caps = "-dac_override"
    return ("setpriv", f"--bounding-set={caps}", f"--inh-caps={caps}")


def test_a_database_that_this_user_may_not_write_to(db: Path, less: tuple[str, ...]) -> None:
    db.chmod(0o444)
    done = doctor(db, without=less)
    assert done.returncode == 0
    assert "! read-only " in done.stdout and "this user may not write to it" in done.stdout


def test_a_database_that_was_read_while_it_was_write_protected_can_be_written_again(
    db: Path, less: tuple[str, ...]
) -> None:
    """Whoever reads it then leaves a `-shm` that is write-protected as well."""
    program = """
        import sys
        from flujo_otel.model import Batch
        from flujo_otel.spanstore.factory import open_writer
        from support.records import record
        writer = open_writer(sys.argv[1])
        writer.write(Batch([record(3)]))
        writer.close()
    """
    db.chmod(0o444)
    doctor(db, without=less)
    assert not db.with_name(f"{db.name}-shm").stat().st_mode & 0o222
    db.chmod(0o600)
    command = [*less, sys.executable, "-c", dedent(program), str(db)]
    subprocess.run(command, check=True, timeout=60, cwd=TESTS)
    done = doctor(db, without=less)
    assert "read-only" not in done.stdout and "3 spans" in done.stdout


def test_a_deleted_database_says_how_to_get_one(db: Path) -> None:
    db.unlink()
    done = doctor(db)
    assert (done.returncode, "No database here" in done.stderr) == (3, True)


def test_a_damaged_database_is_told_with_what_to_do(db: Path) -> None:
    content = bytearray(db.read_bytes())
    content[8192:16384] = b"\xff" * 8192
    db.write_bytes(content)
    done = doctor(db)
    assert done.returncode == 3
    assert ".recover" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_what_is_sound_changes_nothing(db: Path) -> None:
    before = db.read_bytes()
    done = doctor(db)
    assert done.returncode == 0
    assert "✔ received   2 spans of " in done.stdout
    assert before == db.read_bytes()
