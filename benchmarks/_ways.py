"""Ways to run the same, each measured in processes of its own, which take turns on one core."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks._cores import LOAD_CORE, on_core

_ROUNDS = 5
_RESULT = "RESULT "


class Took(NamedTuple):
    """What a run took, or the medians of many."""

    wall_seconds: float
    thread_seconds: float
    """Of a core, by the thread that it ran on. More where a program waits and then works, than
    where it never waits: the core's caches hold others' data by then."""
    process_seconds: float
    """The same, by all threads: the writer's too."""


def started() -> Callable[[], Took]:
    """Start a watch; it says what has been taken since."""
    began = time.perf_counter(), time.thread_time(), time.process_time()

    def took() -> Took:
        now = time.perf_counter(), time.thread_time(), time.process_time()
        return Took(*(ended - begun for ended, begun in zip(now, began, strict=True)))

    return took


def compare(
    benchmark: str, ways: Sequence[str], sleep_seconds: float, runs: int
) -> dict[str, Took]:
    """The medians of each way's runs: of `python -m benchmarks.<benchmark> WAY SLEEP_SECONDS RUNS`,
    which says them by `report`."""
    found: dict[str, list[Took]] = {way: [] for way in ways}
    for _ in range(_ROUNDS):
        for way in ways:
            found[way] += _measure(benchmark, way, sleep_seconds, runs)
    return {
        way: Took(*map(statistics.median, zip(*runs_of, strict=True)))
        for way, runs_of in found.items()
    }


def added(took: Took, bare: Took, steps: int) -> str:
    """A row's words on a run of so many steps beside a `bare` one."""
    more = took.wall_seconds / bare.wall_seconds - 1
    cpu_us = (took.thread_seconds - bare.thread_seconds) / steps * 1e6
    return f"{took.wall_seconds * 1e3:8.1f} ms  {more:+7.2%}  {cpu_us:+6.0f} us of CPU a step"


def report(runs: list[Took]) -> None:
    """Say what a way's runs took."""
    print(_RESULT + json.dumps(runs))


def _measure(benchmark: str, way: str, sleep_seconds: float, runs: int) -> list[Took]:
    arguments = way, str(sleep_seconds), str(runs)
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [*on_core(LOAD_CORE), sys.executable, "-m", f"benchmarks.{benchmark}", *arguments],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(Path.cwd())},
            capture_output=True,
            check=False,
            text=True,
        )
    lines = [line for line in done.stdout.splitlines() if line.startswith(_RESULT)]
    if not lines:
        raise RuntimeError(f"{way}: {done.stderr[-2000:]}")
    return [Took(*run) for run in json.loads(lines[-1].removeprefix(_RESULT))]
