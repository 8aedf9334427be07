"""`make demo`: run the example pipeline in a folder of its own, then look at what it did.

python examples/demo.py [FOLDER]        # .demo beside the examples, where none is named
"""

import os
import shlex
import subprocess
import sys
from pathlib import Path

from picture import LENS, STANDS, here

EXAMPLE = Path(__file__).with_name("support_triage.py")
FOLDER = EXAMPLE.parents[1] / ".demo"


def main() -> None:
    folder = Path(sys.argv[1]).absolute() if len(sys.argv) > 1 else FOLDER
    folder.mkdir(exist_ok=True)
    database = folder / "flujo_otel.db"
    named = ["--db", here(database)]
    # Settings of this shell's own would lead elsewhere than to the demo's folder.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("FLUJO_")}
    environment |= {"FLUJO_OTEL_DB": str(database), STANDS: str(Path.cwd())}
    print(f"\n$ {shlex.join([here(sys.executable), here(EXAMPLE)])}", flush=True)
    subprocess.run([sys.executable, EXAMPLE], cwd=folder, env=environment, check=True)
    print(f"\n$ {shlex.join([LENS, 'list', *named])}", flush=True)
    subprocess.run([LENS, "list", *named], env=environment, check=True)
    print("\nThe trace is there to be looked at:")
    for more in (["trace", "last"], ["show", "last", "--step", "answer"], ["stats"]):
        print(f"    {shlex.join([LENS, *more, *named])}")


if __name__ == "__main__":
    main()
