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


LOOK_ALIKES = (
    "Use --password again, or --token instead of --api-key.",
    "Did you pass --password correctly? Is --token there!",
    "--password-file /run/secrets/db --token-url https://example.com/a1b2c3d4",
    "client --max-tokens 4096 --token-limit=100 --credentials=include --auth basic",
    "client --password $DB_PASSWORD --token=${TOKEN} --api-key <your-key>",
    "client --token=none --password --user ann",
    "curl -s -u $USER:$PASSWORD https://example.com; curl -o a:b -p 80",
    "mkdir -p a1b2c3d4 && mysql -u root -p shop && ssh -p 2222 db",
    "docker run -p 8080:80 x; the login page: -p 8080",
    '["--verbose", "--password-stdin", "a1b2c3d4"]',
    '{"name": "password", "type": "string", "value": null}',
    '{"name": "max_tokens", "value": "a1b2c3d4"}',
    '{"label": "Forgot your password", "value": "forgot"}',
    '{"label": "Change password", "value": "change_password"}',
    '{"key": "author", "value": "Ann"}',
    '{"name": "tokens", "value": 17, "unit": "{token}"}',
    '{"name": "token", "value": 17}',
    '{"type": "token", "value": "the"}',
    '{"value": 5, "name": "user"}',
    "name: password\nrequired: true",
    '<label for="password" value="Password">Password</label>',
    '<option value="token">token</option><title>password</title>',
    "the password                    is not shown",
    "password_new_policy=strong, session_id=af8e-1732",
    '{"session_id": "a8f3c2e19b7d4f60a1b2c3d4e5f60718"}',
    '{"sessionId": "conversation-17"}',
    "https://example.com/?sig=1&signature=none&session_id=ann",
    "signature=def f(a1b2c3d4e5f6a7b8c9d0) and sig=a8f3c2e19b7d4f60a1b2c3d4",
    '{"text": "caf\\u0026 p\\u0061s"}',
    "Passwords:\n- at least 8 characters\n- one digit",
    "password:\n  type: string\n  minLength: 8\n",
    "The secret: |x| > 5",
    "token: >=5",
    "password -> hash",
    "def get_password() -> str: ...",
    "(password, token) -> (a, b)",
    "getattr(settings, 'password', 'default1')",
    "['password', 'reset']",
    "('username', 'password')",
    "it said that 'password' was '' and \"token\" was \"\"",
    'f(password="", token="")',
    "password = '' # none",
    "https://ann-smith-example@example.com/",
    "discord.com/api/webhooks/ is where webhooks are",
    "the password 'again' is asked for",
    '{"credentials": "PhD"}',
    '{"credentials": "MD, PhD 2014"}',
    '{"credentials": "same-origin"}',
    "credentials: PhD",
    "otp: enabled",
    '{"otp": "enabled", "totp": "off"}',
    '{"otp": 26}',
    "otp: 26",
    "sk-learn-intro-2024-edition",
    "sk-learn-0-24-2-documentation-page",
    "a/sk-learn-v1-changes-of-2024",
    "--- a\n-----BEGIN CERTIFICATE-----",
    "1 validation error for C\nauthor\n  Input should be a valid string "
    "[type=string_type, input_value='a1', input_type=int]\n",
    "password\n  Field required [type=missing, input_value=..., input_type=dict]",
    'config["password"] = password; tokens[0] = tokens[1]; token[i]=1',
    "<token>one of 5 words</token><password>\n  of 8 characters\n</password>",
    '{"password": {"type": "string", "default": "", "title": "a1b2c3d4"}}',
    "https://example.com/?code=404&code=SPRING-SALE",
    "Password provided: yes, token used: none",
    "jdbc:oracle:thin:@db:1521/shop",
    "PWD=/home/bob/x",
    "OLDPWD=/srv/app-2/ PWD=/ pwd=/root",
    "pwd: /home/bob",
    "export PWD='/var/lib/x.1'",
    '{"PWD": "/home/bob"}',
    "it ran NRAK-less, PMAK-1, AGE-SECRET-KEY-1, sq0atp-1, ATATT3 and .atlasv1. too",
    "lin_api_docs, ntn_1, pplx-api-reference, tvly-search, dapi is an API, nvapi-guide",
)
"""Of the rules for commands, for names beside their values, for queries, blocks and degrees."""
EVERY = TEXTS + LOOK_ALIKES
SLOW = (
    "--password ",
    '"--password", "',
    "mysql a -p",
    "curl -u a:",
    "login ",
    '"name":"password","value":',
    '{"value":"password",',
    '("password",',
    "cvcvcvcvcvcv" + " " * 3000,
    "password\\n",
    "<password>",
    "%22password%22%3A",
    "password: |\n",
    "  password: |\n",
    "  - a1b2c3d4\n",
    "?sig=a1",
    "identified by '",
    "\\u0022password",
    'password="""a',
    "password=''a",
    '-----BEGIN PRIVATE KEY-----","AAAA","',
    "password\n  a [type=a, input_value=",
    ":thin:a/",
    "otp: 1",
)


@pytest.mark.parametrize("text", EVERY)
def test_a_text_stays(text: str) -> None:
    assert REDACT.text(text) is text


@pytest.mark.parametrize("text", EVERY)
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


@pytest.mark.parametrize("unit", SLOW)
def test_those_for_the_rules_of_what_stands_beside_are_not_either(unit: str) -> None:
    body = unit * ((1 << 18) // len(unit))
    for text in (body, f'["{body}', f'{{"value": "{body}", "name": "password"}}'):
        REDACT.text(text)


def test_the_folder_of_a_shell_s_variables_stays() -> None:
    variables = {"PWD": "/home/bob/x", "OLDPWD": "/srv/app2/", "HOME": "/home/bob"}
    assert REDACT.attributes(variables) == variables
    assert REDACT.value([variables]) == [variables]
    assert REDACT.named("PWD", "/home/bob/x") == "/home/bob/x"
