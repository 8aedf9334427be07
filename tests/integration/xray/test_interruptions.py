"""What the program's signal handlers raise while our code runs is the program's: a time limit of
SIGALRM, Celery's SoftTimeLimitExceeded."""

from pathlib import Path

import pytest

from support.programs import run

PRELUDE = """
import asyncio, os, random, signal, sys, traceback
from functools import partial
from opentelemetry import trace as otel
from opentelemetry.context import Context, attach
from flujo_otel import XRay
from flujo_otel.storage.sqlite import SQLiteStorage

os.environ.pop("FLUJO_OTEL_RAISE", None)

class TimeIsUp(Exception):
    pass

raised = 0

def ring(*_):
    global raised
    raised += 1
    raise TimeIsUp

class Bell:
    def ring(self, number, frame):
        ring()

    __call__ = ring

def once(number, frame):
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    ring()

def was_before_the_end(error):
    # Python raises before the first line of an `__exit__`, too, where nobody can catch it but an
    # `__aexit__` around it.
    walked = traceback.walk_tb(error.__traceback__)
    at = [(frame.f_code, line) for frame, line in walked]
    ours = [(code, line) for code, line in at if "flujo_otel" in code.co_filename]
    ends = [code for code, _ in ours if code.co_name in ("__exit__", "__aexit__")]
    return len(ends) == 1 and ours[-1] == (ends[0], ends[0].co_firstlineno)

seen = left = 0
data = {"a": [{"b": [1, 2, {"c": object()}]}] * 20, "d": {1, 2, 3}}

def interrupted(work, handler, count=60):
    global seen, left
    random.seed(7)
    for _ in range(count):
        before = raised
        signal.signal(signal.SIGALRM, handler)
        try:
            signal.setitimer(signal.ITIMER_REAL, random.uniform(0.0002, 0.002))
            while raised == before:
                work()
        except TimeIsUp as error:
            seen += 1
            was_hopeless = was_before_the_end(error)
        if otel.get_current_span().get_span_context().is_valid:
            left += not was_hopeless
            attach(Context())
    print(raised == seen, seen, left)

def interrupted_at_each_call(work):
    # At the first line of each function of ours, one after the other.
    global left
    signal.signal(signal.SIGALRM, ring)
    number = 0
    while True:
        number, calls = number + 1, 0
        def at(frame, event, _):
            nonlocal calls
            if event == "call" and "flujo_otel" in frame.f_code.co_filename:
                calls += 1
                if calls == number:
                    sys.setprofile(None)
                    signal.raise_signal(signal.SIGALRM)
        was_hopeless = False
        sys.setprofile(at)
        try:
            work()
        except TimeIsUp as error:
            was_hopeless = was_before_the_end(error)
        finally:
            sys.setprofile(None)
        if otel.get_current_span().get_span_context().is_valid:
            left += not was_hopeless
            attach(Context())
        if calls < number:
            break
    print(number > 50, left)

def spans(xray):
    shared = xray.step("shared")

    @xray.step
    def called(value):
        return value

    @xray.traced
    def items():
        yield from data["a"][:2]

    def work():
        with xray.trace("workflow") as trace, trace.step("one") as step:
            step.set_input(data)
            step.add_evaluation("a", data, [], True)
            called(data)
            with shared:
                step.set_reasoning("because")
        list(items())

    work()
    return work

def free_steps(xray):
    kept = [xray.step("first"), xray.step("second")]  # what is let go of may be left by that

    async def alone():
        async with kept[1] as step:
            step.set_input(data)
            await asyncio.sleep(0)

    def work():
        with kept[0] as step:
            step.set_reasoning("because")
        coroutine = alone()
        for _ in range(2):  # without a loop, whose tasks have contexts of their own
            try:
                coroutine.send(None)
            except StopIteration:
                pass

    work()
    return work
"""


@pytest.mark.parametrize("work", ["spans", "free_steps"])
def test_an_alarm_at_the_first_line_of_any_function_leaves_no_span_current(
    tmp_path: Path, work: str
) -> None:
    source = f"interrupted_at_each_call({work}(XRay()))"
    assert "True 0\n" == run(tmp_path / "spans.db", source, prelude=PRELUDE)[0]


@pytest.mark.parametrize(
    "handler",
    ["ring", "Bell().ring", "Bell()", "partial(Bell().ring)", "lambda *_: ring()", "once"],
)
def test_every_alarm_reaches_the_program_and_no_span_stays_current(
    tmp_path: Path, handler: str
) -> None:
    program = f"interrupted(spans(XRay()), {handler})"
    output, _ = run(tmp_path / "spans.db", program, prelude=PRELUDE)
    assert "True 60 0\n" == output


def test_the_same_where_a_storage_keeps_them(tmp_path: Path) -> None:
    program = 'interrupted(spans(XRay(storage=SQLiteStorage(":memory:"))), ring, 20)'
    output, _ = run(tmp_path / "spans.db", program, prelude=PRELUDE)
    assert "True 20 0\n" == output
