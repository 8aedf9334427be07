"""What a command that waits says where nobody looks at a terminal."""

import pytest

from flujo_otel_cli.progress import ProgressBar


def test_a_log_has_a_line_for_each_new_trouble(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressBar("to tempo", 3, hidden=False) as bar:
        bar.show(1)
        for trouble in ("refused", "refused", "answered 503\x1b[2J"):
            bar.show(1, trouble)
        bar.show(3)
    printed = capsys.readouterr()
    assert printed.err.splitlines() == [
        "1 of 3 spans to tempo; waits: refused",
        r"1 of 3 spans to tempo; waits: answered 503\x1b[2J",
    ]
    assert printed.out == ""


def test_json_has_no_words_beside_it(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressBar("to tempo", 3, hidden=True) as bar:
        bar.show(1, "refused")
    assert capsys.readouterr() == ("", "")
