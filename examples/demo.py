"""`make demo`: run the example pipeline in a folder of its own, then look at what it did.

python examples/demo.py [FOLDER]        # .demo beside the examples, where none is named
"""

import os
import shlex
import subprocess
import sys
import sysconfig
from pathlib import Path

EXAMPLE = Path(__file__).with_name("support_triage.py")
FOLDER = EXAMPLE.parents[1] / ".demo"
LENS = Path(sysconfig.get_path("scripts")) / "lens"


def as_typed(*command: str | Path) -> str:
    """`command` as one types it here: what lies beneath this folder by its relative path."""
    here = f"{Path.cwd()}{os.sep}"
    return shlex.join(str(word).removeprefix(here) for word in command)


def main() -> None:
    folder = Path(sys.argv[1]).absolute() if len(sys.argv) > 1 else FOLDER
    folder.mkdir(exist_ok=True)
    database = folder / "flujo_otel.db"
    # Settings of this shell's own would lead elsewhere than to the demo's folder.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("FLUJO_")}
    environment["FLUJO_OTEL_DB"] = str(database)
    for command in ([sys.executable, EXAMPLE], [LENS, "list", "--db", database]):
        print(f"\n$ {as_typed(*command)}", flush=True)
        cwd = folder if command[0] == sys.executable else None
        subprocess.run(command, cwd=cwd, env=environment, check=True)
    print("\nThe trace is there to be looked at:")
    for more in (["trace", "last"], ["show", "last", "--step", "answer"], ["stats"]):
        print(f"    {as_typed(LENS, *more, '--db', database)}")


if __name__ == "__main__":
    main()
