"""How the examples end: with what `lens` shows of them."""

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from opentelemetry import trace

_INSTALLED = str(Path(sysconfig.get_path("scripts")) / "lens")
_DATABASE = "FLUJO_OTEL_DB"
STANDS = "EXAMPLES_TYPED_IN"
"""The folder of whoever reads what is printed, where the example runs in another."""
_FOLDER = os.environ.get(STANDS) or str(Path.cwd())


def here(path: str | Path) -> str:
    """`path` as one types it here: what lies beneath the folder by its relative path."""
    return str(path).removeprefix(f"{_FOLDER}{os.sep}")


LENS = "lens" if shutil.which("lens") == _INSTALLED else here(_INSTALLED)
"""As one types it here."""


def lens(*arguments: str) -> None:
    """Say the command as one would type it, and run it: once all is stored, which takes 0.2 s."""
    getattr(trace.get_tracer_provider(), "force_flush", bool)()
    named = ["--db", here(os.environ[_DATABASE])] if _DATABASE in os.environ else []
    command = [LENS, *arguments, *named]
    print(f"\n$ {shlex.join(command)}", flush=True)
    subprocess.run(command, stdout=sys.stdout, cwd=_FOLDER, check=True)
