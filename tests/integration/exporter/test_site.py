"""What Python runs at its start under `lens run`, before the program."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from flujo_otel.bootstrap import child_environment
from support.programs import environment, names, write_program

SPAN = "from opentelemetry import trace\ntrace.get_tracer('t').start_span('span').end()"


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "spans.db"


def traced(db: Path, source: str, before: Path | None = None) -> "subprocess.CompletedProcess[str]":
    """A program that is run with no line of it changed; modules in `before` are found first."""
    path = os.pathsep.join(filter(None, [before and str(before), os.environ.get("PYTHONPATH")]))
    return subprocess.run(
        [sys.executable, str(write_program(db.parent, source, prelude=""))],
        env=child_environment(environment(db, PYTHONPATH=path), db),
        check=False,
        timeout=60,
        capture_output=True,
        text=True,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """For modules of the user's."""
    (tmp_path / "mine").mkdir()
    return tmp_path / "mine"


def with_sdk(folder: Path, source: str) -> Path:
    """An OpenTelemetry SDK that does this when it is imported."""
    (folder / "opentelemetry" / "sdk").mkdir(parents=True)
    (folder / "opentelemetry" / "sdk" / "__init__.py").write_text(dedent(source))
    return folder


def test_a_python_without_flujo_otel_says_in_one_line_that_it_is_not_traced(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "other"], check=True)
    python = tmp_path / "other" / "bin" / "python"
    traced = child_environment(environment(tmp_path / "spans.db"))
    traced["PYTHONPATH"] = traced["PYTHONPATH"].split(os.pathsep)[0]
    done = subprocess.run(
        [python, "-c", "print('ran')"],
        env=traced,
        check=True,
        timeout=60,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "ran\n"
    assert done.stderr == (
        f"flujo-otel: {python} has no flujo-otel: not traced; pip install flujo-otel there\n"
    )


def test_a_sitecustomize_of_the_users_own_is_run_as_well(db: Path, folder: Path) -> None:
    (folder / "sitecustomize.py").write_text("print('mine')")
    assert "mine\n" == traced(db, SPAN, folder).stdout
    assert names(db) == {"span": 1}


def test_an_sdk_that_its_api_does_not_go_with_is_told_in_one_line(db: Path, folder: Path) -> None:
    """As pip leaves them where an instrumentation wants a newer API than what pins the SDK."""
    with_sdk(folder, "from opentelemetry.trace import no_such_thing")
    done = traced(db, "print('ran')", folder)
    assert (0, "ran\n") == (done.returncode, done.stdout)
    (said,) = done.stderr.splitlines()
    assert said.startswith("flujo-otel: not traced: opentelemetry-api 1.")
    assert "no_such_thing" in said
    assert said.endswith("; see pip check")


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("import opentelemetry.trace\nopentelemetry.trace.no_such_thing", "no_such_thing"),
        (
            """
            from importlib.metadata import Distribution, PackageNotFoundError

            def from_name(name):
                raise PackageNotFoundError(name)

            Distribution.from_name = from_name
            from opentelemetry.trace import no_such_thing
            """,
            "no opentelemetry-sdk",
        ),
    ],
    ids=["by another error", "without a release"],
)
def test_whatever_is_wrong_with_the_sdk_the_users_own_set_up_is_run(
    db: Path, folder: Path, source: str, told: str
) -> None:
    with_sdk(folder, source)
    (folder / "sitecustomize.py").write_text("print('mine')")
    done = traced(db, "print('ran')", folder)
    assert (0, "mine\nran\n") == (done.returncode, done.stdout)
    (said,) = done.stderr.splitlines()
    assert told in said and said.endswith("; see pip check")


def test_an_interruption_before_the_program_begins_ends_it_without_a_word(
    db: Path, folder: Path
) -> None:
    with_sdk(folder, "import signal\nsignal.raise_signal(signal.SIGINT)")
    done = traced(db, "print('ran')", folder)
    assert (-signal.SIGINT, "", "") == (done.returncode, done.stdout, done.stderr)


def test_what_was_imported_for_tracing_is_not_collected_amid_the_program(db: Path) -> None:
    source = "import gc\nprint(gc.get_freeze_count(), len(gc.get_objects()))"
    frozen, others = map(int, traced(db, source).stdout.split())
    assert frozen > 10 * others
