"""`lens` as tests call it: in this process, on a terminal, as a program."""

import json
import os
import pty
import subprocess
from typing import Any

import pytest

from flujo_otel.semconv import flujo
from flujo_otel_cli.command_line import call
from support.lens import LENS

ROOT = {
    flujo.PIPELINE_NAME: "support-triage",
    flujo.PIPELINE_VERSION: "1.2",
    flujo.FINAL_CONTEXT: '{"n": 3}',
}


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = call(arguments)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def document(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    code, out, _ = answer(capsys, *arguments, "--json")
    return code, json.loads(out)


def on_a_terminal(*arguments: str, exit_code: int = 0, **environment: str) -> str:
    """What `lens` writes to a terminal."""
    ours, theirs = pty.openpty()
    variables = {**os.environ, **environment}
    done = subprocess.run([LENS, *arguments], stdout=theirs, env=variables, check=False)
    assert done.returncode == exit_code
    os.close(theirs)
    output = b""
    try:
        while chunk := os.read(ours, 65536):
            output += chunk
    except OSError:  # Linux says EIO where nobody holds the other end
        pass
    os.close(ours)
    return output.decode()
