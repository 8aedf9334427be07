"""Commands to copy, which do what they say where they are read."""

import os
import shlex
import sys
from functools import cache
from pathlib import Path

from flujo_otel_cli.text import escape


def hint(*words: str, db: str | None = None) -> str:
    """`lens` with these `words`, as a shell takes them. `db`: what was named with --db."""
    named = ("--db", db) if db is not None else ()
    return escape(shlex.join([_lens(), *words, *named]))


@cache
def _lens() -> str:
    """Its name where the shell finds it by that, else its path as it was typed."""
    typed = sys.argv[0]
    if Path(typed).name != "lens":  # called from Python
        return "lens"
    for folder in os.get_exec_path():
        found = Path(folder) / "lens"
        if os.access(found, os.X_OK):
            return "lens" if found.resolve() == Path(typed).resolve() else typed
    return typed
