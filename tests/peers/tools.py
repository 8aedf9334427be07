"""Which of the programs that these tests want are here, and what it means that one is not."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

PEERS = Path(__file__).parent
BUILT = PEERS.parents[1] / ".peers"

MUST_RUN = "PEERS_MUST_RUN"
"""Set by `.ci/run`: what a tool that is here could have built must not be missing."""


def need(tools: Sequence[str], built: Path, what: str) -> None:
    """Skip where one of `tools` is not on this machine, or where `make peers` has not built `what`
    with them; fail in the second case where .ci/run says so."""
    for tool in tools:
        if shutil.which(tool) is None:
            pytest.skip(f"no {tool} on this machine, so no {what}")
    if not built.exists():
        say = pytest.fail if os.environ.get(MUST_RUN) else pytest.skip
        say(f"{what} is not built: `make peers` does it")
