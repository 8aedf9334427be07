"""`make bench`: every benchmark, or those named: `python -m benchmarks span_cost flood`.

A number behind a name is its size: `python -m benchmarks peers 600000 steady 60`.
"""

import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

from benchmarks._cores import awake

NAMES = sorted(
    path.stem for path in Path(__file__).parent.glob("*.py") if not path.stem.startswith("_")
)

NEVER_AT_REST = {"busy_program"}
"""Its own threads keep the cores awake; beside others of idle priority the write lock was held for
three times as long."""


def main(arguments: list[str]) -> int:
    wanted: list[list[str]] = []
    for argument in arguments or NAMES:
        if argument.isdecimal() and wanted:
            wanted[-1].append(argument)
        else:
            wanted.append([argument])
    unknown = sorted({name for name, *_ in wanted} - set(NAMES))
    if unknown:
        print(f"no benchmark {', '.join(unknown)}; there are: {', '.join(NAMES)}")
        return 2
    worst = 0
    for number, (name, *size) in enumerate(wanted, 1):
        print(f"== {name} ({number}/{len(wanted)})", flush=True)
        # A process each: what one leaves in memory is none of the next one's business.
        with nullcontext() if name in NEVER_AT_REST else awake():
            command = [sys.executable, "-m", f"benchmarks.{name}", *size]
            worst = max(worst, subprocess.run(command, check=False).returncode)
        print(flush=True)
    return worst


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
