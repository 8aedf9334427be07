"""The code that docs/pydantic-graph.md prints runs as printed, and does what the page says."""

import re
import sqlite3
import sys
from pathlib import Path

from support.lens import LENS, finished

PAGE = Path(__file__).parents[3] / "docs" / "pydantic-graph.md"
CODE = "\n".join(re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.M | re.S))
CALL = """
class Given:
    inputs = "milk?"
assert "sour" == asyncio.run(look_up(Given))
"""


def test_the_page_s_code_runs_and_leaves_the_tree_that_it_shows(tmp_path: Path) -> None:
    program = tmp_path / "page.py"
    program.write_text(CODE + CALL)
    done = finished(tmp_path, sys.executable, str(program))
    assert ("All about milk!!\n", 0) == (done.stdout, done.returncode), done.stderr
    connection = sqlite3.connect(f"file:{tmp_path / 'flujo_otel.db'}?mode=ro", uri=True)
    try:
        runs = connection.execute("SELECT pipeline_name, status FROM runs").fetchall()
        replays = connection.execute(
            "SELECT COUNT(*) FROM spans WHERE json_extract(attributes, '$.\"graph.is_replay\"') = 1"
        ).fetchall()
    finally:
        connection.close()
    assert [("writing", "completed")] * 3 == runs
    assert [(1,)] == replays
    shown = finished(tmp_path, LENS, "trace", "last", COLUMNS="59")
    printed = re.findall(r"^    ([├└]─ .*?)  +\d+ µs$", PAGE.read_text("utf-8"), re.M)
    drawn = re.findall(r"^([├└]─ .*?)  +\d[\d.]* (?:µs|ms)$", shown.stdout, re.M)
    assert printed == drawn
    assert 4 == len(drawn)
