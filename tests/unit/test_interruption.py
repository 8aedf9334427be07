"""Which of the exceptions that come out of a value's own code are the program's."""

import asyncio
import signal
from typing import Any

import pytest

from flujo_otel.interruption import passes
from flujo_otel.recording.json_text import as_json
from flujo_otel.redaction import Redactor
from flujo_otel.storage.plain import to_plain
from flujo_otel.storage.snapshot import snapshot, snapshot_text
from flujo_otel.words import words_of
from support.panics import NOT_SHOWN, Frame, Speechless


def raising(error: BaseException | type[BaseException]) -> Any:
    class Raising:
        def __repr__(self) -> str:
            raise error

        def __iter__(self) -> Any:
            raise error

        def __len__(self) -> int:
            raise error

    return Raising()


def of_another_library(name: str) -> type[BaseException]:
    """A class that stands for one of a library that is not installed here."""
    module, _, qualname = name.rpartition(".")
    base = type(qualname, (BaseException,), {"__module__": module})
    return type("Derived", (base,), {})


ENDINGS = [
    KeyboardInterrupt,
    SystemExit,
    GeneratorExit,
    asyncio.CancelledError,
    pytest.fail.Exception,
    of_another_library("trio.Cancelled"),
    of_another_library("gevent.timeout.Timeout"),
    of_another_library("dramatiq.middleware.threading.Interrupt"),
]


@pytest.mark.parametrize("look", [lambda it: as_json(it, 999), lambda it: as_json([it], 999)])
@pytest.mark.parametrize("kind", ENDINGS)
def test_what_ends_or_cancels_the_program_s_work_passes(kind: Any, look: Any) -> None:
    with pytest.raises(kind):
        look(raising(kind))


@pytest.mark.parametrize("kind", ENDINGS)
@pytest.mark.parametrize("look", [words_of, snapshot_text])
def test_it_passes_by_texts_too(kind: Any, look: Any) -> None:
    with pytest.raises(kind):
        look(raising(kind))


@pytest.mark.parametrize("kind", [BaseException, BaseExceptionGroup("g", [KeyboardInterrupt()])])
def test_all_else_is_the_value_s_own_fault(kind: Any) -> None:
    assert "cannot be shown" in as_json(raising(kind), 999)[0]
    assert "in str()" in words_of(raising(kind))


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        (lambda it: as_json(it, 999)[0], f'"{NOT_SHOWN}"'),
        (lambda it: as_json({"a": [it]}, 999)[0], '{"a": ["' + NOT_SHOWN + '"]}'),
        (words_of, "<Frame: PanicException in str()>"),
        (snapshot_text, "<Frame: PanicException>"),
        (lambda it: snapshot({it: 1}), {"<Frame: PanicException>": 1}),
        (lambda it: to_plain([it]), ["<unserializable: Frame>"]),
    ],
)
def test_a_panic_is_caught(look: Any, expected: Any) -> None:
    assert look(Frame()) == expected


def test_a_panic_of_the_redaction_s_callback_hides_the_text() -> None:
    def callback(text: str) -> str:
        return repr(Frame())

    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("FLUJO_OTEL_RAISE", raising=False)
        assert Redactor(callback=callback).text("plain words") == "[REDACTED]"


def test_what_a_signal_s_handler_raises_passes_though_it_is_a_panic() -> None:
    class Interrupted:
        def __repr__(self) -> str:
            signal.raise_signal(signal.SIGUSR1)
            return ""

    def limit(*_: object) -> None:
        raise BaseException("time is up")

    before = signal.signal(signal.SIGUSR1, limit)
    try:
        with pytest.raises(BaseException, match="time is up"):
            as_json(Interrupted(), 999)
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_an_exception_is_not_looked_for_in_vain() -> None:
    assert not passes(ValueError())
    assert not passes(Speechless())
