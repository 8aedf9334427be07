"""What speaks of secrets and holds none stays as it is, to the character."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flujo_otel.redaction import REDACTED, Redactor
from support.hostile import texts
from support.ordinary import ATTRIBUTES, TEXTS

REDACT = Redactor()
PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-1000, 10**9)
    | st.floats(allow_nan=False)
    | st.text(alphabet=" abcdefghijklmnopqrstuvwxyzé密,.!?", max_size=60),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["author", "max_tokens", "tokenizer", "n"]), inner)
    ),
    max_leaves=20,
)


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_stays(text: str) -> None:
    assert REDACT.text(text) is text


@pytest.mark.parametrize("text", TEXTS)
def test_it_stays_inside_json_and_json_inside_that(text: str) -> None:
    for around in (json.dumps({"a": text}), json.dumps({"a": json.dumps([text])}), repr([text])):
        assert REDACT.text(around) == around


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_an_attribute_stays(name: str) -> None:
    assert REDACT.attributes({name: ATTRIBUTES[name]}) == {name: ATTRIBUTES[name]}


@pytest.mark.parametrize("name", ["flujo.run_id", "flujo.step.id", "xray.step.id"])
def test_an_id_stays_whatever_it_looks_like(name: str) -> None:
    assert REDACT.attributes({name: "4111111111111111"}) == {name: "4111111111111111"}


@given(PLAIN)
def test_data_without_secrets_is_given_back_itself(value: object) -> None:
    assert REDACT.value(value) is value


@given(st.text())
def test_any_text_is_taken_and_redacting_twice_is_redacting_once(text: str) -> None:
    once = REDACT.text(text)
    assert once == REDACT.text(once)


def test_what_is_redacted_is_a_copy() -> None:
    given_value = {"a": [{"password": "x"}], "b": ["y"]}
    assert REDACT.value(given_value) == {"a": [{"password": "[REDACTED]"}], "b": ["y"]}
    assert given_value == {"a": [{"password": "x"}], "b": ["y"]}


def test_data_that_holds_itself_ends() -> None:
    value: dict[str, object] = {"n": 1}
    value["self"] = value
    assert "[REDACTED]" in str(REDACT.value(value))


def test_data_that_holds_itself_twice_ends_too() -> None:
    """There are 2 ** 64 ways through the first, and more than can be walked through the others."""
    cycle: list[object] = ["ghp_" + "a1" * 18]
    cycle += [cycle, cycle]
    assert REDACTED == REDACT.value(cycle)[0]
    chain: object = "ghp_" + "a1" * 18
    for _ in range(60):
        chain = {"a": chain, "b": chain}
    found = REDACT.value({"c": chain})["c"]
    for _ in range(60):
        found = found["b"]
    assert REDACTED == found
    wide: list[object] = [1, 2]
    for _ in range(5):
        wide = [wide] * 1000
    assert wide is REDACT.value(wide)


def test_of_large_data_each_part_is_looked_at() -> None:
    found = REDACT.value([{"n": n, "password": "x"} for n in range(50_000)])
    assert [{"n": n, "password": REDACTED} for n in range(50_000)] == found


def test_texts_that_are_made_to_be_slow_are_not() -> None:
    """Of 256 KB each: what were quadratic would take many minutes."""
    for text in texts(1 << 18):
        REDACT.text(text)
