"""`make demo`: run the example pipeline in a folder of its own, then look at what it did."""

import os
import shlex
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

EXAMPLE = Path(__file__).with_name("support_triage.py")
LENS = str(Path(sysconfig.get_path("scripts")) / "lens")


def show(*command: str, run: list[str], folder: str) -> None:
    """Say `command` as one would type it, and `run` it."""
    print(f"\n$ {shlex.join(command)}", flush=True)
    # Settings of this shell's own would lead elsewhere than to the demo's folder.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("FLUJO_")}
    subprocess.run(run, cwd=folder, env=environment, check=True)


def main() -> None:
    folder = tempfile.mkdtemp(prefix="flujo-otel-demo-")
    show("python", "support_triage.py", run=[sys.executable, str(EXAMPLE)], folder=folder)
    show("lens", "list", run=[LENS, "list"], folder=folder)
    show("lens", "trace", "last", run=[LENS, "trace", "last"], folder=folder)
    print(f"\nThe trace is in {folder}/flujo_otel.db. See also, there: lens show, lens stats.")


if __name__ == "__main__":
    main()
