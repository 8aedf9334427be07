"""Whatever a text is made of, each door of the redaction gives an answer, and the same again.

With FLUJO_OTEL_RAISE=1, as in all our tests: a fault of ours would be raised."""

import json
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from flujo_otel.redaction import Redactor, vocabulary
from support.planted import NAMES

OURS = Redactor()
OWN = Redactor(keys=("member_id", "İd"), patterns=["EMP-[0-9]+"], callback=lambda text: text)
WORDS = sorted(vocabulary.STRONG | vocabulary.WEAK | vocabulary.FAINT | vocabulary.FAINT_WORDS)
names = st.sampled_from([*WORDS, *NAMES, *vocabulary.BESIDE, "name", "max_tokens", "member_id"])
numbers = st.from_regex(r"-?[0-9][0-9.eE+\-]{0,12}", fullmatch=True)
odd = st.sampled_from(
    ["İ", "ſ", "K", "٣", "²", "\ud800", "\udcff", "\x00", "\u2028", "ß", "ﬁ", "𝟙"]
)
SIGNS = r": = => -> , %3A > </ < &quot; @ { } [ ] ( ) -- :// \ \n \u0022 ? & ; eyJ sk- |"
BLANK = (": ", " = ", "|\n  ", "\n- ", " -p", "Bearer ", "Basic ", "-----BEGIN PRIVATE KEY-----")
signs = st.sampled_from([*SIGNS.split(), *BLANK, "[type=x, input_value=", ", input_type=x"])
quotes = st.sampled_from(['"', "'", "`", '\\"', "\\'", '"""', "b'", '\\\\\\"'])
texts = st.lists(names | numbers | odd | signs | quotes | st.text(max_size=9), max_size=24).map(
    "".join
)
values = st.recursive(
    texts
    | numbers
    | st.integers()
    | st.floats()
    | st.none()
    | st.booleans()
    | st.binary(max_size=40),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(texts, inner)
        | st.dictionaries(names | texts, inner, max_size=4)
    ),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(texts)
@example("ValueError: {'otp': 123-456}")
@example('{"otp": 10.0.0.1}')
def test_any_text_is_taken(text: str) -> None:
    for by in (OURS, OWN):
        assert by.text(text) == by.text(text)
        by.name(text)
        by.beginning(text * 200, 8)
        by.name_beginning(text * 200, 8)
        by.value(text.encode("utf-8", "surrogatepass"))
        document = json.dumps({"a": [text], "b": json.dumps({text: text})})
        json.loads(by.text(document))
        by.text(document[:-3])
        by.text(repr({text: text}))


@settings(max_examples=300, deadline=None)
@given(names | texts, values)
def test_any_data_is_taken(name: str, value: Any) -> None:
    for by in (OURS, OWN):
        by.value(value)
        by.named(name, value)
        by.hides(name, value)
        by.attributes({name: value, "name": name, "value": value})
        by.hides("value", value, {"name": name})
        by.asks_beside(name)
        if not isinstance(value, bytes):
            json.loads(by.encoded({name: value}, lambda it: json.dumps(it, default=repr)))
