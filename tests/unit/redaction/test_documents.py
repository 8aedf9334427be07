"""Rules of one's own and JSON: they get the strings of it one by one, and it stays JSON."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flujo_otel import redaction
from flujo_otel.recording.json_text import as_json
from flujo_otel.redaction import REDACTED, Redactor

LETTERS = 'ab1@.:,"\\{}[] \n\té密'
TEXTS = st.text(alphabet=LETTERS, max_size=12) | st.text(max_size=12)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.floats(allow_nan=False, allow_infinity=False, width=16)
    | TEXTS
)
NAMES = st.text(alphabet="ab@ {", max_size=4)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(NAMES, inner, max_size=4)
        | inner.map(json.dumps)
    ),
    max_leaves=12,
)
DOCUMENTS = st.lists(VALUES) | st.dictionaries(NAMES, VALUES)
ATOMS = st.sampled_from(list(LETTERS)).map(re.escape) | st.sampled_from(
    [".", r"\S", r"\w", r"\d", r"\W", "[^a]"]
)
PATTERNS = st.builds(
    "{}{}{}{}".format, st.sampled_from(["", "^"]), ATOMS, st.sampled_from(["", "+"]), ATOMS
)
CALLBACKS: dict[str, Callable[[str], str]] = {
    "without mail": lambda text: re.sub(r"\S+@\S+", "[MAIL]", text),
    "with quotes": lambda text: text.replace("a", '"'),
    "with what UTF-8 cannot say": lambda text: text.replace("a", "\\\n\ud800"),
    "nothing": lambda _: "",
}


@pytest.fixture(autouse=True)
def ours() -> Iterator[None]:
    yield
    redaction.use(None)


def expect(given_value: Any, recorded: Any, change: Callable[[str], str]) -> None:
    """`recorded` is `given_value` with each string changed; JSON in a string is a document too."""
    assert type(given_value) is type(recorded)
    if isinstance(given_value, dict):
        assert list(given_value) == list(recorded)
        given_value, recorded = list(given_value.values()), list(recorded.values())
    if isinstance(given_value, list):
        assert len(given_value) == len(recorded)
        for each, other in zip(given_value, recorded, strict=True):
            expect(each, other, change)
    elif isinstance(given_value, str) and (inner := document_in(given_value)) is not None:
        expect(inner, json.loads(recorded), change)
    else:
        expected = change(given_value) if isinstance(given_value, str) else given_value
        assert expected == recorded


def document_in(text: str) -> Any:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict | list | str) else None


@given(DOCUMENTS, PATTERNS, st.booleans(), st.sampled_from([None, 2]))
def test_patterns_are_applied_to_each_string(
    document: Any, pattern: str, ascii_only: bool, indent: int | None
) -> None:
    rules = Redactor(patterns=[pattern])
    text = json.dumps(document, ensure_ascii=ascii_only, indent=indent)

    def change(each: str) -> str:
        return re.sub(pattern, REDACTED, each)

    expect(document, json.loads(rules.text(text)), change)
    expect(document, json.loads(rules.attributes({"input.value": text})["input.value"]), change)
    expect(document, rules.value(document), change)


@pytest.mark.parametrize("change", CALLBACKS.values(), ids=CALLBACKS)
@given(document=DOCUMENTS)
def test_a_callback_gets_each_string(change: Callable[[str], str], document: Any) -> None:
    rules = Redactor(callback=change)
    expect(document, json.loads(rules.text(json.dumps(document))), change)


@given(DOCUMENTS, PATTERNS)
def test_what_is_recorded_of_a_programs_value_is_so_too(document: Any, pattern: str) -> None:
    redaction.use(Redactor(patterns=[pattern]))
    text, _ = as_json(document, 1 << 20)
    expect(document, json.loads(text), lambda each: re.sub(pattern, REDACTED, each))


@given(TEXTS, PATTERNS)
def test_what_is_no_json_is_taken_as_a_whole(text: str, pattern: str) -> None:
    if document_in(text) is None:
        assert re.sub(pattern, REDACTED, text) == Redactor(patterns=[pattern]).text(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"to": "b@x.org", "cc": ["b@x.org"], "n": 1}', '{"to": "-", "cc": ["-"], "n": 1}'),
        ('{"a":"b@x.org","n":1.50e3,"a":"","é":0}', '{"a":"-","n":1.50e3,"a":"","é":0}'),
        ('[\n  "b@x.org" ,"c:" ]\n', '[\n  "-" ,"c:" ]\n'),
        ('["\\u0062@x.org", "\\u00e9"]', '["-", "\\u00e9"]'),
        (f'["b@x.org", {"7" * 5000}]', f'["-", {"7" * 5000}]'),
        ('"b@x.org"', '"-"'),
        ('{"a": "[\\"b@x.org\\"]"}', '{"a": "[\\"-\\"]"}'),
        ('{"a": "b@x.org', '{"a": "-'),
        ("{'a': 'b@x.org'}", "{'a': '-'}"),
        ("[INFO] to b@x.org", "[INFO] to -"),
    ],
)
def test_all_else_stays_as_it_stands(text: str, expected: str) -> None:
    assert expected == Redactor(callback=lambda each: each.replace("b@x.org", "-")).text(text)


def test_what_is_too_deep_to_read_is_replaced_as_a_whole_if_anything_in_it_is() -> None:
    deep = "[" * 200_000 + '"b@x.org"' + "]" * 200_000
    nested = "b@x.org"
    for _ in range(10):
        nested = json.dumps([nested])
    rules = Redactor(patterns=[r"b@x\.org"])
    assert f'"{REDACTED}"' == rules.text(deep)
    assert "b@x.org" not in rules.text(nested)
    assert isinstance(json.loads(rules.text(nested)), list)
    assert deep == Redactor(patterns=["c"]).text(deep)


def test_a_callback_that_fails_costs_the_string_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLUJO_OTEL_RAISE", "0")

    def fails(text: str) -> str:
        return text if text == "b" else str(1 / 0)

    assert '{"a": "[REDACTED]", "c": "b"}' == Redactor(callback=fails).text('{"a": "x", "c": "b"}')


FRAGMENTS = (
    *("password", "token", "api_key", "cookie", "authorization", ":", "=", ": ", "= ", ",", ";"),
    *('"', "'", "`", "\\", '\\"', "\\n", "\n", "{", "}", "[", "]", "<", ">", "Bearer ", "://", "@"),
    *(" ", "hunter2", "a1b2c3d4e5", "Basic YTpi", "sid=abc", "12", "type", "string", "é"),
)
SPOKEN = st.lists(st.sampled_from(FRAGMENTS), max_size=9).map("".join)
SPOKEN_OF = st.recursive(
    SPOKEN,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "password", "token"]), inner, max_size=2)
        | inner.map(json.dumps)
    ),
    max_leaves=6,
)


@given(SPOKEN_OF, SPOKEN_OF)
def test_our_rules_leave_json_what_it_is_whatever_is_said_in_it(one: Any, other: Any) -> None:
    text = json.dumps({"one": one, "nested": json.dumps([one, 1]), "other": other})
    found = json.loads(Redactor().text(text))
    expect_redacted([one, other], [found["one"], found["other"]])
    expect_redacted([one, 1], json.loads(found["nested"]))


def expect_redacted(given_value: Any, recorded: Any) -> None:
    """`recorded` is `given_value` but for what is redacted in it."""
    if recorded in (given_value, REDACTED):
        return
    assert type(given_value) is type(recorded)
    if isinstance(given_value, str):
        inner = document_in(given_value)
        if inner is None:
            assert REDACTED in recorded
        else:
            expect_redacted(inner, json.loads(recorded))
        return
    if isinstance(given_value, dict):
        assert list(given_value) == list(recorded)
        given_value, recorded = list(given_value.values()), list(recorded.values())
    for each, other in zip(given_value, recorded, strict=True):
        expect_redacted(each, other)


def test_a_name_at_the_end_of_a_string_says_nothing_of_the_next() -> None:
    text = '{"ask": "Enter your password:", "user": "ann"}'
    assert text == Redactor().text(text)
    assert json.dumps([text]) == Redactor().text(json.dumps([text]))


@pytest.mark.parametrize("number", ["1e999", "7" * 5000, "NaN"])
def test_json_that_cannot_be_written_again_is_replaced_as_a_whole(number: str) -> None:
    assert f'"{REDACTED}"' == Redactor().text(f'{{"password": "x", "n": {number}}}')
    assert f'{{"n": {number}}}' == Redactor().text(f'{{"n": {number}}}')
