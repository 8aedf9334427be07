"""`lens serve` from its start until it serves, with an empty database and with one that is there.

Bound: 1 s.
"""

import statistics
import tempfile
from pathlib import Path

from tests.peers.collector import Collector

ROUNDS = 7


def main() -> None:
    new, again = [], []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            server = Collector(Path(folder))
            new.append(server.process.start())
            server.process.stop()
            again.append(server.process.start())
            server.process.stop()
    print(f"new database: {statistics.median(new):.2f} s until ready   (bound 1 s)")
    print(f"started again: {statistics.median(again):.2f} s until ready   (bound 1 s)")


if __name__ == "__main__":
    main()
