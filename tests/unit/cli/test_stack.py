"""Places in the code on a terminal that is narrower than their paths."""

import pytest

from flujo_otel.query.failure import CodeLocation
from flujo_otel_cli.stack import place_lines, stack_lines
from flujo_otel_cli.text import cell_len

VENV = "/home/somebody/projects/customer-support/.venv/lib/python3.11/site-packages"


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (
            f'  File "{VENV}/flujo/application/runner.py", line 412, in run_async',
            '  File "…/application/runner.py", line 412, in run_async',
        ),
        (
            f'  File "{VENV}/flujo/{"long" * 20}.py", line 412, in run_async',
            '  File "…onglonglonglonglonglong.py", line 412, in run_async',
        ),
        (
            f"    at Object.answer (file://{VENV}/src/steps/answer.js:10:5)",
            "    at Object.answer (…/src/steps/answer.js:10:5)",
        ),
        (
            r"   at Shop.Orders.Pay() in C:\Users\somebody\source\repos\shop\Orders.cs:line 41",
            r"   at Shop.Orders.Pay() in …\repos\shop\Orders.cs:line 41",
        ),
        (
            "\tat com.example.support.triage.pipeline.steps.Answer.customer(Answer.java:41)",
            "    at com.example.support.triage.pipeli…mer(Answer.java:41)",
        ),
        ("\tmain.go:41 +0x1d", "    main.go:41 +0x1d"),
        (
            "    raise ValueError('the order could not be found in the database of the shop')",
            "    raise ValueError('the order could not be found in the d…",
        ),
        (f"    {'^' * 80}", f"    {'^' * 55}…"),
    ],
)
def test_a_place_and_a_line_of_the_source_stay_on_one_line(line: str, shown: str) -> None:
    lines = list(stack_lines(f"Traceback:\n{line}\nValueError: sour\n", 60, "…"))
    assert ["Traceback:", shown, "ValueError: sour"] == lines
    assert cell_len(shown) <= 60


def test_on_the_narrowest_terminal_the_file_and_the_line_are_left() -> None:
    line = f'  File "{VENV}/flujo/agent_execution_runner.py", line 531, in execute'
    assert list(stack_lines(line, 36, "…")) == ['  File "…tion_runner.py", line 531,…']


def test_what_is_said_of_the_failure_goes_on_beneath() -> None:
    said = "ValueError: the order could not be found in the shop's data-base"
    assert list(stack_lines(said, 60, "…")) == [
        "ValueError: the order could not be found in the shop's",
        "  data-base",
    ]


def test_a_pipe_gets_the_stack_whole() -> None:
    stack = f'Traceback:\n  File "{VENV}/flujo/runner.py", line 7, in run\n    {"^" * 80}\n'
    assert list(stack_lines(stack, None, "…")) == stack.rstrip().split("\n")


@pytest.mark.parametrize("width", [20, 40, 60, 80])
def test_a_place_is_broken_between_its_folders(width: int) -> None:
    location = CodeLocation(f"{VENV}/flujo/runner.py", 41, "run_async")
    lines = place_lines(location, width)
    assert "".join(line.strip() for line in lines).replace(" ", "") == (
        f"at{VENV}/flujo/runner.py:41inrun_async"
    )
    assert max(map(cell_len, lines)) <= width
    assert all(line.endswith(("/", " in", ":41")) for line in lines[:-1]) or width < 40


def test_a_place_that_fits_is_one_line() -> None:
    assert place_lines(CodeLocation("/srv/app.py", 41, "answer"), 40) == [
        "at /srv/app.py:41 in answer"
    ]
    long = CodeLocation(f"{VENV}/app.py", 41, "answer")
    assert place_lines(long, None) == [f"at {VENV}/app.py:41 in answer"]
