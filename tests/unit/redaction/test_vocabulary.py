"""Each word of the vocabulary is looked for in text as it is in data."""

import json
import sys

import pytest

from flujo_otel.redaction import REDACTED, Redactor, vocabulary
from flujo_otel.redaction.named_in_text.names import lowered

REDACT = Redactor()
WORDS = sorted(vocabulary.STRONG | vocabulary.WEAK | vocabulary.FAINT | vocabulary.FAINT_WORDS)
VALUES = (
    "True-Love99",
    "hunter",
    "string-9fK2aa",
    "None of yours 1",
    "int!a8f3c2e19b",
    "false,hunter2",
    "str=hunter2",
    "string(hunter2)",
    "None|hunter2",
    482913,
    12,
    0.5,
    ["a1b2-c3d4", "x"],
    {"a": "b1"},
    True,
    None,
    "",
    [],
)
WRITTEN = (
    "ccNumber",
    "cc_number",
    "recovery_codes",
    "recoveryCodes",
    "mfa_code",
    "user.mfaCode",
    "JWT",
    "id_jwt",
    "Bearer",
)


@pytest.mark.parametrize("word", WORDS)
def test_a_word_has_a_stem(word: str) -> None:
    assert [stem for stem in vocabulary.STEMS if stem in word]


@pytest.mark.parametrize("word", (*WORDS, *WRITTEN))
def test_json_says_of_it_what_the_data_say(word: str) -> None:
    for value in VALUES:
        data = {word: value, "n": 1}
        assert REDACT.value(data) == json.loads(REDACT.text(json.dumps(data))), value


@pytest.mark.parametrize("word", (*WORDS, *WRITTEN))
def test_its_secret_goes_from_both(word: str) -> None:
    assert {word: REDACTED} == REDACT.value({word: "abc9-Def8"})
    assert "abc9" not in REDACT.text(repr({word: "abc9-Def8"}))


@pytest.mark.parametrize(
    "text",
    [
        "access: granted, success: 12, account: ann-17",
        "success number: 12, the account now: abc9-Def8",
        "the bearer of news: Ann 12",
        "recovery: 3 of 5 disks, recovered=17",
        "recover codes = [1, 2]",
        '{"token_type": "bearer", "success": "a1b2c3d4"}',
    ],
)
def test_words_like_these_stay(text: str) -> None:
    assert text == REDACT.text(text)


@pytest.mark.parametrize(
    "kind",
    [
        "str",
        "str | None",
        "str|None",
        "str | None = None",
        "Optional[str]",
        "Optional[str]=None",
        "Optional[SecretStr] = None",
        "SecretStr('**********')",
        "String(255)",
        "String!",
        "string?",
        "string | undefined",
        "str=Field(...)",
        "null",
        "True",
    ],
)
def test_a_type_is_no_secret(kind: str) -> None:
    for text in (
        f"password: {kind}",
        f"password={kind}",
        f'"password": "{kind}"',
        f"def login(user, password: {kind}):",
        f"(\n    password: {kind}):\n",
    ):
        assert text == REDACT.text(text)


def test_each_letter_in_lower_case_is_at_its_place() -> None:
    letters = "".join(map(chr, range(sys.maxunicode + 1)))
    assert len(letters) == len(lowered(letters))
    assert letters[:256].lower() == lowered(letters)[:256]


@pytest.mark.parametrize("word", ["contraseña", "пароль", "密码", "Kennwört"])
def test_a_name_of_ones_own_may_have_other_letters(word: str) -> None:
    by = Redactor(keys=[word])
    for name in (word, word.upper(), word.title(), f"db_{word}"):
        data = {name: "hunter", "n": 1}
        assert {name: REDACTED, "n": 1} == by.value(data)
        for is_ascii in (True, False):
            text = by.text(json.dumps(data, ensure_ascii=is_ascii))
            assert {name: REDACTED, "n": 1} == json.loads(text)
        assert f"{name}={REDACTED}" == by.text(f"{name}=hunter2x")
    assert f"{word}=hunter2x" == REDACT.text(f"{word}=hunter2x")
