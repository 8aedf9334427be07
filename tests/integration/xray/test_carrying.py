"""carry() to where Python carries no context by itself: other processes."""

import copy
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from opentelemetry import trace as otel

from flujo_otel.xray import carry
from support.programs import environment, query

PROGRAM = """
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import Process, get_context
from opentelemetry import trace as otel
from flujo_otel import XRay
from flujo_otel.xray import carry
xray = XRay()
def work(name):
    with xray.step(name):
        otel.get_tracer("t").start_span("inner " + name).end()
    return name
if __name__ == "__main__":
    way = get_context({way!r})
    with xray.trace("workflow") as trace:
        with trace.step("around"), ProcessPoolExecutor(1, mp_context=way) as pool:
            carried = carry(work)
            with trace.step("open where the pool forks"):
                pool.submit(len, "").result()
            print(list(pool.map(carried, ["a", "b"])))
            child = way.Process(target=carried, args=("c",))
            child.start()
            child.join()
    xray.close()
"""


@pytest.mark.parametrize("way", ["spawn", "fork", "forkserver"])
def test_another_process_goes_on_under_the_step(way: str, tmp_path: Path) -> None:
    db = tmp_path / "spans.db"
    program = tmp_path / "program.py"
    program.write_text(PROGRAM.format(way=way))
    done = subprocess.run(
        [sys.executable, str(program)],
        env=environment(db),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ("['a', 'b']\n", 0) == (done.stdout, done.returncode), done.stderr
    statement = (
        "SELECT spans.name, parents.name FROM spans"
        " JOIN spans parents ON parents.otel_span_id = spans.otel_parent_id"
    )
    parents = dict(query(db, statement))
    assert {"a": "around", "b": "around", "c": "around"}.items() <= parents.items()
    assert {"inner a": "a", "inner b": "b"}.items() <= parents.items()
    assert [(1,)] == query(db, "SELECT COUNT(*) FROM runs")


def current_span_id() -> int:
    return otel.get_current_span().get_span_context().span_id


def test_where_nothing_is_current_nothing_is_once_pickled() -> None:
    far = pickle.loads(pickle.dumps(carry(current_span_id)))
    assert far.__name__ == "current_span_id"
    with otel.use_span(otel.NonRecordingSpan(otel.SpanContext(1, 2, is_remote=False))):
        assert 2 == current_span_id()
        assert 0 == far()


def test_a_carried_function_is_like_one() -> None:
    class Owner:
        method = carry(lambda self, more: (self, more))

    owner = Owner()
    assert (owner, 1) == owner.method(1)
    carried = carry(current_span_id)
    assert carried is copy.copy(carried) is copy.deepcopy(carried)
