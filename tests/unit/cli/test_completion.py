"""Completion as a shell asks for it."""

import os
import subprocess
from pathlib import Path

import pytest

from support.lens import LENS
from unit.cli.scenes import TRACE_ID


@pytest.mark.parametrize(
    ("line", "answers"),
    [
        ("lens show ", ["last", "prev"]),
        ("lens show --db other.db 7", [TRACE_ID]),
        ("lens tail --db=other.db --run ", ["last", "prev", TRACE_ID]),
        ("lens compare --db other.db last 7", [TRACE_ID]),
        ("lens compare --db other.db p", ["prev"]),
        ("lens show --db mysql://a ", ["last", "prev"]),
    ],
)
def test_a_run_is_one_of_the_database_that_the_line_names(
    line: str, answers: list[str], filled: Path
) -> None:
    filled.rename(filled.with_name("other.db"))
    at = str(len(f"{line}|".split()) - 1)
    asked = {"_LENS_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": at}
    done = subprocess.run([LENS], env={**os.environ, **asked}, stdout=subprocess.PIPE, check=False)
    assert answers == done.stdout.decode().split()
