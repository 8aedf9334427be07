"""A thousand secrets go through our own producers; none is found in what they leave anywhere.

Looked through: the bytes of the database and of its WAL while the program still runs, and again
after it; what the storage's interfaces answer; what `lens` prints; the bytes of the requests that a
backend was forwarded.
"""

import asyncio
import gzip
import json
import subprocess
import sysconfig
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from flujo_otel.storage.sqlite import SQLiteBackend, SQLiteStorage
from support.planted import found_in, secrets
from support.programs import environment, query, start, wait_for_line

pytest.importorskip("flujo", reason="needs the real flujo: pip install .[flujo]")
pytestmark = [pytest.mark.flujo, pytest.mark.filterwarnings("ignore")]

LENS = str(Path(sysconfig.get_path("scripts")) / "lens")
PLANTED = secrets(1000)
GROUP = 50
PROGRAM = """
import asyncio, json, logging, sys, time, warnings
from pathlib import Path
warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)
import flujo_otel
from flujo import Flujo, Step
from flujo.domain.models import PipelineContext
from flujo.state.backends.memory import InMemoryBackend
from flujo_otel.storage.sqlite import SQLiteBackend, SQLiteStorage

planted = json.loads(Path("planted.json").read_text())
flujo_otel.configure(forward=sys.argv[1])


class Notes(PipelineContext):
    notes: dict = {}
    bulk: list = []


def nested(group):
    named = {each["name"]: each["value"] for each in group if each["name"]}
    return {
        "texts": [each["text"] for each in group],
        "json": json.dumps({"inner": json.dumps([each["text"] for each in group])}),
        "named": named,
        "deep": {"a": [{name: {"value": [value]}} for name, value in named.items()]},
        "keys": {each["value"]: 1 for each in group if not each["name"]},
    }


class Failure(Exception):
    pass


def flujo_run(group, text):
    async def note(value, *, context: Notes):
        context.notes = nested(group)
        # Longer than a snapshot of the context may be: the cut goes through secrets.
        context.bulk = [each["text"] for each in group] * 8 + ["x" * 40_000 + text]
        return nested(group)

    async def fail(value):
        try:
            raise KeyError("; ".join(each["text"] for each in group))
        except KeyError as cause:
            raise Failure("; ".join(each["text"] for each in group)) from cause

    steps = Step.from_callable(note, name=f"note {group[0]['text']}")
    steps = steps >> Step.from_callable(fail, name="fail")
    runner = Flujo(steps, context_model=Notes, state_backend=InMemoryBackend(), pipeline_name=text)
    try:
        runner.run(json.dumps(nested(group)), initial_context_data={"initial_prompt": text})
    except (Failure, KeyError, RuntimeError):
        pass


def xray_trace(xray, group, text):
    try:
        with xray.trace(f"xray {text}") as trace:
            trace.set_metadata(nested(group))
            with trace.step("decide") as step:
                step.set_input(nested(group))
                step.set_output(nested(group))
                step.set_reasoning("; ".join(each["text"] for each in group))
                step.set_metadata(nested(group))
                step.add_llm_metadata(model="m", prompt=text, **nested(group))
                step.add_event("saw", nested(group)["keys"])
                raise Failure("; ".join(each["text"] for each in group))
    except Failure:
        pass


async def saved(backend, group, number):
    run_id = f"saved-{number}"
    content, now = nested(group), time.time()
    await backend.save_run_start({"run_id": run_id, "pipeline_name": group[0]["text"]})
    await backend.save_step_result({
        "step_run_id": f"{run_id}:0", "run_id": run_id, "step_name": "s", "step_index": 0,
        "start_time": "2026-01-01T00:00:00", "input": content, "output": content,
        "error": {"message": [each["text"] for each in group]},
    })
    await backend.save_run_end(run_id, {"status": "failed", "final_context": content})
    leaf = {"span_id": "b", "name": group[0]["text"], "start_time": now, "attributes": content}
    root = {"span_id": "a", "name": "r", "start_time": now, "end_time": now + 1, "status": "failed",
            "attributes": {each["name"] or "a": each["text"] for each in group},
            "children": [leaf]}
    await backend.save_trace(run_id, root)


backend = SQLiteBackend()
storage = SQLiteStorage("storage.db")
for number, start in enumerate(range(0, len(planted), 50)):
    group = planted[start : start + 50]
    flujo_run(group, group[1]["text"])
    xray_trace(flujo_otel.XRay(), group, group[2]["text"])
    xray_trace(flujo_otel.XRay(storage=storage), group, group[3]["text"])
    asyncio.run(saved(backend, group, number))
from opentelemetry import trace
trace.get_tracer_provider().force_flush()
print("recorded", flush=True)
sys.stdin.readline()
"""


class Receiver:
    """Keeps the bytes of every request."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                packed = self.headers.get("content-encoding") == "gzip"
                receiver.bodies.append(gzip.decompress(body) if packed else body)
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class Left:
    """What the program left: bytes by where they were."""

    def __init__(self, db: Path) -> None:
        self.db = db
        self.bytes: dict[str, bytes] = {}
        self.runs: list[str] = []

    def look(self, when: str) -> None:
        for name in (self.db.name, "storage.db"):
            for suffix in ("", "-wal"):
                path = self.db.with_name(name + suffix)
                if path.exists():
                    self.bytes[f"{name}{suffix} {when}"] = path.read_bytes()


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Left]:
    folder = tmp_path_factory.mktemp("planted")
    found = Left(folder / "otel.db")
    (folder / "planted.json").write_text(json.dumps([asdict(each) for each in PLANTED]))
    with closing(Receiver()) as receiver:
        program = PROGRAM.replace("sys.argv[1]", repr(receiver.url))
        process = start(found.db, program, prelude="")
        try:
            wait_for_line(process, "recorded")
            found.look("while it ran")
            process.communicate("\n", timeout=60)
        finally:
            process.kill()
            process.communicate()
        found.bytes["forwarded"] = b"".join(receiver.bodies)
    found.look("after it")
    found.runs = [run_id for (run_id,) in query(found.db, "SELECT run_id FROM runs")]
    yield found


def test_everything_was_recorded(left: Left) -> None:
    """So that what is not found was not left out."""
    groups = len(PLANTED) // GROUP
    count = "SELECT COUNT(*) FROM spans WHERE name = ?"
    assert [(2 * groups,)] == query(left.db, f"{count} OR name = 'fail'", "decide")
    assert [(groups,)] == query(left.db, count, "pipeline_run")
    assert 3 * groups == len(left.runs)
    assert left.bytes.keys() >= {
        "otel.db while it ran",
        "otel.db-wal while it ran",
        "otel.db after it",
        "storage.db after it",
        "forwarded",
    }
    assert left.bytes["otel.db-wal while it ran"]
    for where in ("otel.db after it", "storage.db after it", "forwarded"):
        assert left.bytes[where].count(b"[REDACTED]") > len(PLANTED), where
        assert b"It said " in left.bytes[where], where


def test_no_secret_is_in_the_bytes(left: Left) -> None:
    assert {} == {
        where: kinds for where, data in left.bytes.items() if (kinds := found_in(data, PLANTED))
    }


def answers(left: Left) -> bytes:
    backend = SQLiteBackend(left.db)

    async def ask() -> list[Any]:
        found: list[Any] = []
        for run_id in left.runs:
            found.append(await backend.get_run_details(run_id))
            found.append(await backend.list_run_steps(run_id))
            found.append(await backend.get_trace(run_id))
            found.append(await backend.get_spans(run_id))
        return found

    said = [repr(asyncio.run(ask()))]
    for path in (left.db, left.db.with_name("storage.db")):
        said += [repr(trace) for trace in SQLiteStorage(path).get_all_traces(limit=1000)]
    return "\n".join(said).encode()


def test_no_secret_is_in_what_the_storage_answers(left: Left) -> None:
    said = answers(left)
    assert said.count(b"[REDACTED]") > len(PLANTED)
    assert [] == found_in(said, PLANTED)


def lens(left: Left, *arguments: str) -> bytes:
    done = subprocess.run(
        [LENS, *arguments, "--db", str(left.db)],
        env=environment(left.db),
        cwd=left.db.parent,
        capture_output=True,
        check=True,
    )
    return done.stdout


def test_no_secret_is_in_what_lens_prints(left: Left) -> None:
    said = b""
    for run_id in [*left.runs[:4], *left.runs[-4:]]:
        said += lens(left, "show", run_id, "--json") + lens(left, "trace", run_id, "--json")
        said += lens(left, "show", run_id) + lens(left, "trace", run_id)
    said += lens(left, "list", "--json", "--limit", "100") + lens(
        left, "spans", left.runs[0], "--json"
    )
    assert b"REDACTED" in said
    assert [] == found_in(said, PLANTED)


def test_the_needles_would_be_found(left: Left) -> None:
    """The search itself is no wishful thinking: each is found where it was not redacted."""
    texts = json.dumps([secret.text for secret in PLANTED]).encode()
    assert sorted({secret.kind for secret in PLANTED}) == found_in(texts, PLANTED)
