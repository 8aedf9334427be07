"""Reads a run as `lens trace` does, again and again, until stdin is closed; says how long it took.

Arguments: database, run id.
"""

import json
import select
import sys
import time

from flujo_otel.query.tree import build_tree
from flujo_otel.spanstore.factory import open_reader

PAUSE_SECONDS = 0.1


def main(db: str, run_id: str) -> None:
    took_ms = []
    while not select.select([sys.stdin], [], [], PAUSE_SECONDS)[0]:
        started = time.perf_counter()
        reader = open_reader(db)
        build_tree(reader.spans(run_id))
        reader.close()
        took_ms.append((time.perf_counter() - started) * 1e3)
    json.dump(sorted(took_ms), sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
