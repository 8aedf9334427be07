"""A run is running as long as the process that has its root open, whoever else writes into it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from support.programs import environment, finish, names, start, wait_for_line


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_child_that_wrote_a_span_of_it_and_ended_leaves_it_running(
    tmp_path: Path, method: str
) -> None:
    db = tmp_path / "spans.db"
    source = f"""
        import multiprocessing
        from opentelemetry.propagate import extract, inject
        provider = traced()
        tracer = provider.get_tracer("t")
        def work(carrier):
            tracer.start_span("child", context=extract(carrier)).end()
        if __name__ == "__main__":
            with tracer.start_as_current_span("root"):
                assert provider.force_flush()
                carrier = {{}}
                inject(carrier)
                context = multiprocessing.get_context({method!r})
                child = context.Process(target=work, args=(carrier,))
                child.start()
                child.join()
                assert child.exitcode == 0
                print("ready", flush=True)
                sys.stdin.readline()
    """
    process = start(db, source)
    wait_for_line(process, "ready")
    assert names(db) == {"child": 1}
    assert listed(db) == ["running"]
    finish(process)
    assert listed(db) == ["completed"]


def listed(db: Path) -> list[str]:
    """The statuses of the runs, as `lens list` has them."""
    lens = Path(sys.executable).with_name("lens")
    done = subprocess.run(
        [lens, "list", "--json"],
        env=environment(db),
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    document = json.loads(done.stdout)
    return [run["status"] for run in document["runs"]]
