"""The guard: tracing's faults are logged once, counted, and do not reach the traced program."""

import asyncio
import logging
import signal

import pytest

from flujo_otel.errors import SettingsError
from flujo_otel.guard import faults, guarded
from support.panics import Frame, Speechless


@pytest.fixture
def as_in_production(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLUJO_OTEL_RAISE", raising=False)


@pytest.mark.usefixtures("as_in_production")
def test_a_fault_is_swallowed_counted_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="flujo_otel"):
        for _ in range(3):
            with guarded("milking"):
                raise ValueError("sour")
    assert faults()["milking"] == 3
    assert [(entry.levelname, entry.getMessage()) for entry in caplog.records] == [
        (
            "WARNING",
            "flujo-otel: milking failed: ValueError: sour "
            "(logged once; the traced program is not affected)",
        ),
        ("DEBUG", "flujo-otel: milking failed"),
    ]
    assert caplog.records[1].exc_info is not None


@pytest.mark.usefixtures("as_in_production")
def test_a_setting_that_cannot_be_used_is_logged_once_whoever_meets_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    for what in ("reading the settings here", "reading the settings there"):
        with guarded(what):
            raise SettingsError("content is 'perhaps'")
    assert [entry.getMessage() for entry in caplog.records] == [
        "flujo-otel: reading the settings here failed: SettingsError: content is 'perhaps' "
        "(logged once; the traced program is not affected)"
    ]
    assert faults()["reading the settings there"] == 1


def test_a_fault_is_raised_where_the_variable_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLUJO_OTEL_RAISE", "1")
    with pytest.raises(ValueError, match="sour"), guarded("raising"):
        raise ValueError("sour")
    assert faults()["raising"] == 1


@pytest.mark.usefixtures("as_in_production")
@pytest.mark.parametrize("kind", [KeyboardInterrupt, asyncio.CancelledError, SystemExit])
def test_what_is_no_exception_passes(kind: type[BaseException]) -> None:
    with pytest.raises(kind), guarded("stopping"):
        raise kind
    assert "stopping" not in faults()


@pytest.mark.usefixtures("as_in_production")
def test_a_panic_is_a_fault_and_another_base_exception_made_to_pass() -> None:
    class Cancelled(BaseException):
        """Of the program's own, which another thread raises in this one."""

    with guarded("looking"):
        repr(Frame())
    assert faults()["looking"] == 1
    with pytest.raises(Cancelled), guarded("stopping"):
        raise Cancelled
    assert "stopping" not in faults()


@pytest.mark.usefixtures("as_in_production")
def test_a_fault_without_words_is_told_by_its_class(caplog: pytest.LogCaptureFixture) -> None:
    with guarded("speaking"):
        raise Speechless
    [entry] = caplog.records
    assert "Speechless: <Speechless: PanicException in str()> (logged" in entry.getMessage()


def test_nothing_happens_where_nothing_fails() -> None:
    guard = guarded("calm")
    with guard, guard:
        pass
    assert "calm" not in faults()


@pytest.mark.usefixtures("as_in_production")
def test_what_a_signal_handler_raises_passes_and_its_own_faults_do_not() -> None:
    def ours() -> None:
        signal.raise_signal(signal.SIGUSR1)

    def limit(*_: object) -> None:
        with guarded("in a handler"):
            raise ValueError("a fault of ours")
        raise TimeoutError("time is up")

    before = signal.signal(signal.SIGUSR1, limit)
    try:
        with pytest.raises(TimeoutError, match="time is up"), guarded("interrupted"):
            ours()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert (1, 0) == (faults()["in a handler"], faults().get("interrupted", 0))


@pytest.mark.usefixtures("as_in_production")
def test_it_passes_where_the_handler_has_put_another_in_its_place() -> None:
    def limit(number: int, frame: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        raise TimeoutError("time is up")

    before = signal.signal(signal.SIGUSR1, limit)
    try:
        with pytest.raises(TimeoutError), guarded("interrupted once"):
            signal.raise_signal(signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert "interrupted once" not in faults()
