"""Ctrl-C before a command has begun: over at once, without a word."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from flujo_otel_cli.ending import end_at_once, interrupted_as_usual, interrupted_at_once
from flujo_otel_cli.interrupt import ending_at_once
from support.lens import LENS, TIMEOUT_SECONDS, environment

INTERRUPTED_AMID = """
import os, runpy, signal, sys

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == amid:
            os.kill(os.getpid(), signal.SIGINT)

_, amid, *sys.argv = sys.argv
sys.meta_path.insert(0, Interrupting())
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def interrupted(folder: Path, amid: str, *arguments: str, ignored: bool = False) -> tuple[int, str]:
    """The exit code and what was said, of a `lens` that Ctrl-C reached amid an import."""
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_AMID, amid, LENS, *arguments],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
        preexec_fn=(lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)) if ignored else None,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize(
    ("arguments", "amid"),
    [
        (("list",), "gc"),
        (("list",), "flujo_otel_cli.command_line"),
        (("list",), "typer"),
        (("list",), "flujo_otel_cli.commands.list"),
        (("show",), "flujo_otel_cli.runs"),
        (("--help",), "typer.core"),
        (("serve",), "flujo_otel.server"),
        (("serve",), "flujo_otel.collector"),
    ],
)
def test_an_interruption_amid_imports_is_no_traceback(
    filled: Path, arguments: tuple[str, ...], amid: str
) -> None:
    assert interrupted(filled.parent, amid, *arguments) == (130, "")


def test_one_amid_the_command_is_none_either(filled: Path) -> None:
    code, said = interrupted(filled.parent, "sqlite3", "list")
    assert (code, said.strip()) == (130, "")


def test_where_interruptions_are_ignored_they_stay_so(filled: Path) -> None:
    code, said = interrupted(filled.parent, "typer", "list", ignored=True)
    assert code == 0 and "support-triage" in said


def test_a_handler_that_is_not_python_s_is_left_alone() -> None:
    before = signal.getsignal(signal.SIGINT)
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        with ending_at_once():
            assert signal.getsignal(signal.SIGINT) is end_at_once
            assert not interrupted_at_once()
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        signal.signal(signal.SIGINT, print)
        with ending_at_once():
            assert signal.getsignal(signal.SIGINT) is print
        interrupted_as_usual()
        assert signal.getsignal(signal.SIGINT) is print
    finally:
        signal.signal(signal.SIGINT, before)
