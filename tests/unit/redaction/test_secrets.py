"""Secrets of every kind are redacted wherever they stand; what is left stays what it was."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from flujo_otel.redaction import REDACTED, Redactor
from support.planted import LOOKS, NAMES, Secret, secrets

ALL = secrets(20 * (len(LOOKS) + len(NAMES)))
KNOWN_BY_LOOKS = [secret for secret in ALL if secret.name is None]
KNOWN_BY_NAME = [secret for secret in ALL if secret.name is not None]
REDACT = Redactor()

PLACES: dict[str, Callable[[str], Any]] = {
    "text": REDACT.text,
    "JSON": lambda text: REDACT.text(json.dumps({"a": [1, text]})),
    "JSON in JSON": lambda text: REDACT.text(json.dumps({"a": json.dumps({"b": text})})),
    "JSON in JSON in JSON": lambda text: REDACT.text(
        json.dumps([json.dumps([json.dumps({"b": text})])])
    ),
    "JSON over several lines": lambda text: REDACT.text(json.dumps({"a": text}, indent=2)),
    "a repr": lambda text: REDACT.text(repr({"a": text})),
    "a list in a dict": lambda text: REDACT.value({"a": {"b": [text]}}),
    "a tuple": lambda text: REDACT.value((1, (text,))),
    "an attribute": lambda text: REDACT.attributes({"a": text}),
    "an attribute's array": lambda text: REDACT.attributes({"a": (text, "x")}),
    "after a line break that JSON escaped": lambda text: REDACT.text(json.dumps(f"x\n{text}\ny")),
    "after a tab": lambda text: REDACT.text(f"k\t{text}"),
    "before the cut": lambda text: REDACT.beginning(text + "x" * 9000, len(text) // 2 + 9)[0],
}


@pytest.mark.parametrize("place", PLACES)
def test_nothing_is_left_of_a_secret_in(place: str) -> None:
    read = PLACES[place]
    assert [] == [secret for secret in ALL if secret.needle in str(read(secret.text))]


def _alone(secret: Secret) -> list[Any]:
    value = secret.value
    return [
        REDACT.text(value),
        REDACT.text(f"value={value}"),
        REDACT.text(f"('{value}')"),
        REDACT.text(f"<td>{value}</td>"),
        REDACT.value({value: 1}),
        REDACT.value({"a": {value: {"b": 1}}}),
        REDACT.attributes({value: 1}),
    ]


def test_nothing_is_left_of_a_secret_that_is_known_by_its_looks() -> None:
    assert [] == [secret for secret in KNOWN_BY_LOOKS if secret.needle in str(_alone(secret))]


def _named(secret: Secret) -> list[Any]:
    name, value = str(secret.name), secret.value
    return [
        REDACT.attributes({name: value}),
        REDACT.attributes({name: (value, value)}),
        REDACT.value({"user": {name: value}}),
        REDACT.value({name: {"deep": [value]}}),
        REDACT.text(json.dumps({name: value, "n": 1})),
        REDACT.text(json.dumps({name: [value, {"a": value}], "n": 1})),
        REDACT.text(json.dumps({"a": json.dumps({name: {"b": value}})})),
        REDACT.text(json.dumps({name: value})[:-4]),
    ]


def test_nothing_is_left_of_a_secret_that_its_name_gives_away() -> None:
    leaked = [s for s in KNOWN_BY_NAME if s.value[:-4] in str(_named(s))]
    assert [] == leaked


@pytest.mark.parametrize("kind", sorted({secret.kind for secret in ALL}))
def test_what_was_redacted_is_seen_to_be(kind: str) -> None:
    unseen = [s for s in ALL if s.kind == kind and REDACTED not in REDACT.text(s.text)]
    assert [] == unseen


def test_redacting_again_changes_nothing() -> None:
    for secret in ALL:
        for text in (secret.text, json.dumps({"a": secret.text, "b": json.dumps([secret.text])})):
            once = REDACT.text(text)
            assert once == REDACT.text(once)


def test_json_stays_json_at_each_level() -> None:
    for secret in ALL:
        text = json.dumps({"a": secret.text, "b": json.dumps({"c": secret.text}), "d": 1})
        read = json.loads(REDACT.text(text))
        assert ["a", "b", "d"] == list(read)
        assert ["c"] == list(json.loads(read["b"]))


def test_what_stands_beside_a_secret_stays() -> None:
    text = '{"user": "ann", "password": "hun\\"ter2", "max_tokens": 5, "pins": [{"api_key": 7}]}'
    assert REDACT.text(text) == (
        '{"user": "ann", "password": "[REDACTED]", "max_tokens": 5, "pins": '
        '[{"api_key": "[REDACTED]"}]}'
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Authorization: Custom hUnt3r2xQ9zz", "Authorization: [REDACTED]"),
        (
            'Authorization: Digest username="u", response="S3cretx"',
            "Authorization: [REDACTED]",
        ),
        (
            "Authorization: AWS4-HMAC-SHA256 Credential=AK/2, Signature=abcdef99",
            "Authorization: [REDACTED]",
        ),
        ("Authorization: required for all users", "Authorization: required for all users"),
        (
            "postgresql://ann:s3cret@db.example.com:5432/shop",
            "postgresql://ann:[REDACTED]@db.example.com:5432/shop",
        ),
        ("redis://:s3cret@localhost", "redis://:[REDACTED]@localhost"),
        ("https://ann:p@ss@w0rd@example.com/", "https://ann:[REDACTED]@example.com/"),
        ("Server=db;Uid=ann;Pwd=s3cret;Port=1", "Server=db;Uid=ann;Pwd=[REDACTED];Port=1"),
        ("Server=db;Uid=ann;Pwd=/a1/b2;Port=1", "Server=db;Uid=ann;Pwd=[REDACTED];Port=1"),
        ("pwd=/hunter2 db_pwd=/home/bob", "pwd=[REDACTED] db_pwd=[REDACTED]"),
        ("host=db password=s3cret dbname=x", "host=db password=[REDACTED] dbname=x"),
        (
            "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=Zm9v+/Yg==;EndpointSuffix=x",
            "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=[REDACTED];EndpointSuffix=x",
        ),
        ("Authorization: Bearer abc.def-12", "Authorization: [REDACTED]"),
        ("authorization: Token abcdefgh", "authorization: [REDACTED]"),
        ("curl -H 'Authorization: Basic YTpi' x", "curl -H 'Authorization: [REDACTED]' x"),
        ("Cookie: sid=abc; theme=dark\nHost: x", "Cookie: [REDACTED]\nHost: x"),
        ("Set-Cookie: sid=abc; Path=/; HttpOnly", "Set-Cookie: [REDACTED]"),
        ("[{'set-cookie': 'sid=abc'}]", "[{'set-cookie': '[REDACTED]'}]"),
        ("PGPASSWORD=hunter psql -h db", "PGPASSWORD=[REDACTED] psql -h db"),
        ("my password: hunter2, thanks", "my password: [REDACTED], thanks"),
        ("password: hunter\nuser: ann", "password: [REDACTED]\nuser: ann"),
        ("API key: abcd-1234-efgh", "API key: [REDACTED]"),
        ("User(name='ann', password='hunter')", "User(name='ann', password='[REDACTED]')"),
        ("User(name='ann', password=b'hunter')", "User(name='ann', password=b'[REDACTED]')"),
        ("?sig=1&access_token=abc&x=1", "?sig=1&access_token=[REDACTED]&x=1"),
        ("access_token=1234567890123456|AbCdEf7, x", "access_token=[REDACTED], x"),
        ("password=123456789012-hunterTail", "password=[REDACTED]"),
        ("api_key: 123456789012.hunterTail", "api_key: [REDACTED]"),
        ("password=1234567890123_hunter", "password=[REDACTED]"),
        ("password=1234567890123/hunter!", "password=[REDACTED]"),
        ("cc-number: 4111 1111 1111 1111 is mine", "cc-number: [REDACTED] is mine"),
        ('{"cvv": 123, "n": 1}', '{"cvv": "[REDACTED]", "n": 1}'),
        ('{"password": "never closed', '{"password": "[REDACTED]'),
        ('{"credentials": {"a": [1, "}"]}, "n": 1}', '{"credentials": "[REDACTED]", "n": 1}'),
        ("4111 1111 1111 1111 and on", "[REDACTED] and on"),
        ("cc-number: 4111 1111 1111 1112 exp 04/27", "cc-number: [REDACTED] exp 04/27"),
        ("card_number=4111-1111-1111-1112, 3", "card_number=[REDACTED], 3"),
        ('{"cc-number": "4111 1111 1111 1112"}', '{"cc-number": "[REDACTED]"}'),
        ("-----BEGIN PRIVATE KEY-----\nMIIE\nAA", "[REDACTED]"),
        ("é password=naïve İ token=a1b2c3d4", "é password=[REDACTED] İ token=[REDACTED]"),
    ],
)
def test_of_a_text_only_the_secret_goes(text: str, expected: str) -> None:
    assert REDACT.text(text) == expected


def test_of_several_secrets_that_are_names_each_keeps_its_value() -> None:
    keys = {f"ghp_{letter * 18}{'1' * 18}": letter for letter in "abc"}
    assert ["a", "b", "c"] == list(REDACT.value(keys).values())


def test_a_card_in_an_integer_is_one() -> None:
    assert REDACT.attributes({"n": 4111111111111111, "m": 4111111111111112}) == {
        "n": REDACTED,
        "m": 4111111111111112,
    }


@pytest.mark.parametrize(
    "header",
    [("password", "S"), (b"x-api-key", b"S"), ["x-api-key", "S"], ["authorization", "Custom S"]],
)
def test_of_a_header_as_a_pair_the_value_goes(header: Any) -> None:
    redacted = REDACT.value({"headers": [header, ("host", "x")]})
    assert {"headers": [type(header)((header[0], "[REDACTED]")), ("host", "x")]} == redacted


@pytest.mark.parametrize(
    "value", [["password", "reset"], {"token": "Hi", "logprob": -0.1}, ("host", "x")]
)
def test_words_and_pieces_of_an_answer_stay(value: Any) -> None:
    assert REDACT.value(value) is value
