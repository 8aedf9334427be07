"""Whose SIGTERM handler stays; what ours does, real programs show (integration)."""

import signal
from collections.abc import Callable
from typing import Any

import pytest

from flujo_otel_exporter import termination


@pytest.mark.parametrize(
    ("there", "installs"),
    [
        (signal.SIG_DFL, True),
        (signal.SIG_IGN, False),
        (lambda *_: None, False),
        # As Python says of one that was not set by it: an embedding program's, in C.
        (None, False),
    ],
    ids=["SIG_DFL", "SIG_IGN", "the program's", "one from C"],
)
def test_a_handler_is_installed_over_sig_dfl_alone(
    monkeypatch: pytest.MonkeyPatch, there: Callable[..., None] | int | None, installs: bool
) -> None:
    installed: list[Any] = []
    monkeypatch.setattr(termination, "_flush", [])
    monkeypatch.setattr(signal, "getsignal", lambda _: there)
    monkeypatch.setattr(signal, "signal", lambda *given: installed.append(given))
    termination.install(lambda _: None)
    assert installed == ([(signal.SIGTERM, termination._handle)] if installs else [])


def test_a_subinterpreter_that_may_install_none_goes_on_without(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: Any) -> None:
        raise ValueError("signal only works in main thread of the main interpreter")

    asked: list[float] = []
    monkeypatch.setattr(termination, "_flush", [])
    monkeypatch.setattr(signal, "getsignal", lambda _: signal.SIG_DFL)
    monkeypatch.setattr(signal, "signal", refuse)
    termination.install(asked.append)
    assert [asked.append] == termination._flush
