"""States whose file is taken away while a run goes on."""

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from flujo_otel.spanstore.sqlite import standing_connection
from flujo_otel.storage.sqlite import SQLiteBackend

LONGER_SECONDS = 2 * standing_connection._LOOK_EVERY_SECONDS


def state(index: int) -> dict[str, Any]:
    texts = dict.fromkeys(("pipeline_id", "pipeline_name", "pipeline_version"), "p")
    times = dict.fromkeys(("created_at", "updated_at"), datetime(2026, 11, 22))
    history = [{"name": f"s{n}"} for n in range(index)]
    return {
        **texts,
        **times,
        "status": "running",
        "pipeline_context": {},
        "current_step_index": index,
        "step_history": history,
    }


@pytest.mark.parametrize("takes_away", ["deletes", "renames"])
async def test_a_state_after_that_is_in_the_new_file(path: Path, takes_away: str) -> None:
    backend = SQLiteBackend(path)
    await backend.save_state("r", state(1))
    await backend.save_state("r", state(2))
    if takes_away == "deletes":
        path.unlink()
    else:
        path.rename(path.with_name("away.db"))
    await asyncio.sleep(LONGER_SECONDS)
    await backend.save_state("r", state(3))
    assert path.exists()
    loaded = await backend.load_state("r")
    assert loaded is not None
    assert loaded["current_step_index"] == len(loaded["step_history"]) == 3
    await backend.close()


async def test_once_that_was_noticed_nothing_goes_into_the_old_one(path: Path) -> None:
    """Of several runs that save at once, the first to look is not the first to write."""
    backend = SQLiteBackend(path)
    await backend.save_state("r0", state(1))
    old = path.rename(path.with_name("away.db"))
    await asyncio.sleep(LONGER_SECONDS)
    await asyncio.gather(*(backend.save_state(f"r{n}", state(2)) for n in range(1, 9)))
    assert {each["run_id"] for each in await backend.list_states()} == {
        f"r{n}" for n in range(1, 9)
    }
    await backend.close()
    left_behind = SQLiteBackend(old)
    assert [each["run_id"] for each in await left_behind.list_states()] == ["r0"]
    await left_behind.close()
