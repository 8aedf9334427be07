"""Which core runs what, and how it is kept from falling asleep."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

SERVER_CORE, LOAD_CORE = 0, 1
_SPIN = """
import os, sys
os.sched_setaffinity(0, {int(sys.argv[1])})
os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
while os.getppid() == int(sys.argv[2]):
    for _ in range(10**6):
        pass
"""


def on_core(core: int | None) -> list[str]:
    """The words that keep a command on one core; none where there is no such core or no taskset."""
    if core is None or not hasattr(os, "sched_getaffinity") or core >= (os.cpu_count() or 1):
        return []
    return ["taskset", "-c", str(core)]


@contextmanager
def awake() -> Iterator[None]:
    """While this lasts each core has a process that runs when nobody else wants to.

    A core with nothing to do is put to sleep, and wakes slower and with its caches empty: on a
    virtual machine json.dumps of a kilobyte took 5 us, after 5 ms of rest 5 with this and 50
    without, and a bare SDK span 12 us with it and 19 without. That is the machine's cost and no
    tracer's, and it comes and goes with what else the machine does.
    """
    if not hasattr(os, "SCHED_IDLE"):
        yield
        return
    command = [sys.executable, "-S", "-c", _SPIN]
    spinners = [
        subprocess.Popen([*command, str(core), str(os.getpid())])
        for core in sorted(os.sched_getaffinity(0))
    ]
    try:
        yield
    finally:
        for spinner in spinners:
            spinner.kill()
            spinner.wait()
