"""What of a span's content is recorded, and under which names."""

from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import INVALID_SPAN, Span

from flujo_otel.errors import SettingsError
from flujo_otel.recording import choice
from flujo_otel.recording.choice import Recording, settle
from flujo_otel.recording.content import Content
from flujo_otel.semconv import openinference


@pytest.fixture
def span() -> Span:
    return TracerProvider(shutdown_on_exit=False).get_tracer("x").start_span("x")


def test_an_input_is_json_and_says_so(span: Span) -> None:
    content = Content(span, Recording())
    expected = {
        openinference.INPUT_VALUE: '"hi"',
        openinference.INPUT_MIME_TYPE: "application/json",
    }
    assert expected == content.json("hi", openinference.INPUT_VALUE)


def test_a_text_may_be_recorded_as_it_is(span: Span) -> None:
    found = Content(span, Recording()).text("hi", openinference.OUTPUT_VALUE)
    assert {"output.value": "hi", "output.mime_type": "text/plain"} == found


def test_a_name_of_ours_has_no_mime_type(span: Span) -> None:
    assert {"flujo.input": "1", "mine": "1"} == Content(span, Recording()).json(
        1, "flujo.input", "mine"
    )


@pytest.mark.parametrize("is_recording", [True, False])
def test_nothing_is_recorded_where_the_span_or_the_settings_record_none(
    span: Span, is_recording: bool
) -> None:
    content = Content(span if is_recording else INVALID_SPAN, Recording(content=not is_recording))
    assert ({}, {}, {}) == (content.json(1, "a"), content.text("t", "a"), content.state(1, "a"))


def test_of_no_state_nothing_is_recorded(span: Span) -> None:
    assert {} == Content(span, Recording()).state(None, "state")


def test_states_have_a_smaller_limit_of_their_own(span: Span) -> None:
    content = Content(span, Recording())
    text = "x" * 40_000
    assert [f'"{text}"'] == list(content.json(text, "a").values())
    assert 0 == content.cuts
    (state,) = content.state(text, "a").values()
    assert 16 * 1024 >= len(str(state))
    assert 1 == content.cuts


def test_where_the_settings_cannot_be_read_nothing_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FLUJO_OTEL_RAISE", raising=False)
    (tmp_path / "flujo.toml").write_text("[otel]\nvalue_limit_bytes = 'much'\n")
    assert not Recording.chosen_quietly(None, None).content
    with pytest.raises(SettingsError):
        Recording.chosen(None, None)


@pytest.fixture
def untold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that was told nothing, and whose settings want 100 bytes of each value."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FLUJO_OTEL_VALUE_LIMIT_BYTES", "100")
    monkeypatch.setattr(choice, "_process", choice.Told())  # and put back after the test


def said(recording: Recording) -> tuple[bool, int]:
    return recording.content, recording.value_limit_bytes


@pytest.mark.usefixtures("untold")
def test_what_the_process_is_told_holds_where_a_producer_is_told_nothing() -> None:
    before = Recording.chosen(None, None)
    assert (True, 100) == said(before)
    settle(True, 200)
    settle(True, 300)
    for recording in (before, Recording.chosen(None, None)):
        assert (True, 200) == said(recording)
    assert (True, 300) == said(Recording.chosen(True, 300))


@pytest.mark.usefixtures("untold")
@pytest.mark.parametrize("told", [(True, False), (False, True), (False,), (None, False)])
def test_once_told_to_record_nothing_the_process_records_nothing(told: tuple[bool, ...]) -> None:
    before, insisting = Recording.chosen(None, None), Recording.chosen(True, None)
    for each in told:
        settle(each, None)
    assert not before.content
    assert insisting.content


@pytest.mark.usefixtures("untold")
def test_a_span_that_is_open_takes_no_more_of_the_content(span: Span) -> None:
    values = Content(span, Recording.chosen(None, None))
    assert values.json("kept", "name")
    settle(False, None)
    assert {} == values.json("kept", "name") == values.text("kept", "name")
    assert {} == values.state({"kept": 1}, "name")
    assert not values.is_wanted
