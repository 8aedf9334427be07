"""`make bench`: every benchmark, or those named: `python -m benchmarks span_cost flood`."""

import subprocess
import sys
from pathlib import Path

NAMES = sorted(
    path.stem for path in Path(__file__).parent.glob("*.py") if not path.stem.startswith("_")
)


def main(wanted: list[str]) -> int:
    unknown = sorted(set(wanted) - set(NAMES))
    if unknown:
        print(f"no benchmark {', '.join(unknown)}; there are: {', '.join(NAMES)}")
        return 2
    worst = 0
    for number, name in enumerate(wanted or NAMES, 1):
        print(f"== {name} ({number}/{len(wanted or NAMES)})", flush=True)
        # A process each: what one leaves in memory is none of the next one's business.
        done = subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False)
        worst = max(worst, done.returncode)
        print(flush=True)
    return worst


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
