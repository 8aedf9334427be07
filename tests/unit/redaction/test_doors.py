"""Ways past the rules that were open once: each is a secret in a place of its own."""

import json
from typing import Any

import pytest

from flujo_otel.redaction import REDACTED, Redactor

REDACT = Redactor()
WORD = "hunter"
MADE = "hUnt3r2xQ9zz"
LONG = "a8f3c2e19b7d4f60a1b2c3d4e5f60718"
PEM = [
    "-----BEGIN PRIVATE KEY-----",
    "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQ",
    "Q2hhcmxpZQ==",
    "-----END PRIVATE KEY-----",
]

COMMANDS = (
    f"mysql --password {MADE} shop",
    f"client --api-key {MADE}",
    f"client --token={WORD}",
    f"client --token {LONG} -v",
    f"client --password '{WORD}' -h db",
    f'client --password "{WORD}" -h db',
    f"sshpass -p {MADE} ssh db",
    f"sshpass -p{WORD} ssh db",
    f"mysqldump -u root -p{MADE} shop",
    f"docker login -u ann -p {MADE} registry",
    f"curl -s -u ann:{WORD} https://example.com",
    f"curl --user ann:{WORD} https://example.com",
    repr(["mysql", "--password", WORD, "shop"]),
    json.dumps(["mysql", "--password", WORD, "shop"]),
    json.dumps({"argv": json.dumps(["mysql", "--password", WORD])}),
)
BESIDE = (
    json.dumps({"name": "password", "value": WORD}),
    json.dumps({"value": WORD, "name": "password"}),
    json.dumps({"value": WORD, "city": "İzmir", "name": "password"}, ensure_ascii=False),
    json.dumps([{"key": "api_key", "type": "string", "value": WORD}]),
    json.dumps({"Name": "X-Api-Key", "Value": WORD}),
    json.dumps({"key": "api_key", "value": {"stringValue": WORD}}),
    json.dumps({"body": json.dumps({"value": WORD, "n": 1, "name": "password"})}),
    json.dumps({"label": "API key", "value": WORD}),
    json.dumps({"headers": [["x-api-key", WORD]]}),
    json.dumps({"name": "password", "value": WORD})[:-2],
    repr({"name": "password", "value": WORD}),
    repr([("password", WORD)]),
    repr([(b"x-api-key", WORD.encode())]),
    f"env:\n- name: DB_PASSWORD\n  value: {WORD}\n",
    f'<add key="ApiKey" value="{WORD}"/>',
    f'<input type="password" value="{WORD}">',
    f"<user><password>{WORD}</password></user>",
)
BLANKS = (
    f"password{' ' * 30}= {WORD}",
    f"password ={' ' * 300}{WORD}",
    json.dumps({"password": WORD}).replace(": ", ":" + " " * 40),
)
SPELLED = (
    json.dumps({"password_new": WORD}),
    f"new_password={WORD}",
    f"oldPassword={WORD}",
    f"passwordConfirmation={WORD}",
    f"Password_Again: {WORD}",
    f"/?sessionid={LONG}",
    f"JSESSIONID={LONG}",
    f"ASP.NET_SessionId={LONG}",
    f"PHPSESSID={LONG}",
    f"https://example.com/?session_id={LONG}&x=1",
    f"https://example.com/c?sv=1&sig={LONG}%3D&se=2",
    f"https://example.com/c?Expires=1&amp;Signature={LONG}",
    f'{{"url": "https://example.com/c?a=1\\u0026sig={LONG}"}}',
    f"https://example.com/k?X-Amz-Signature={LONG}",
    f"https://example.com/k?X-Amz-Credential={LONG}%2F20240501",
    f"https://example.com/k?X-Goog-Signature={LONG}",
    f'{{"p\\u0061ssword": "{WORD}"}}',
    f'{{"body": "{{\\u0022password\\u0022:\\u0022{WORD}\\u0022}}"}}',
    f'{{"body": "{{\\u0022password\\u0022:\\u0022{WORD}',
    f"?state=%7B%22password%22%3A%22{WORD}%22%7D",
    f"{{&quot;password&quot;:&quot;{WORD}&quot;}}",
    f'"password" => "{WORD}"',
    f"password -> {MADE}",
    f'password = """{WORD}"""',
    f"Bearer\t{LONG}",
    f"https://{LONG}@github.com/ann/repo",
    f"https://discord.com/api/webhooks/123456789012345678/{LONG}",
    f"https://api.telegram.org/bot1234567890:{LONG}AAA/getMe",
    f"ALTER USER ann WITH PASSWORD '{WORD}'",
    f"create user ann identified by '{WORD}'",
)
MESSAGES = (
    f"1 validation error for C\npassword\n  String should have at least 8 characters "
    f"[type=string_too_short, input_value='{WORD}', input_type=str]\n",
    f"2 validation errors for C\nn\n  Field required [type=missing, input_value={{}}, "
    f"input_type=dict]\nuser.api_keys.0\n  Input should be an integer "
    f"[type=int_parsing, input_value='{WORD}', input_type=str]\n",
    f"Incorrect API key provided: {MADE}.",
    f"mysql --password {MADE} shop JSESSIONID={LONG}",
    json.dumps({"argv": ["--verbose", "--token", WORD]}),
    json.dumps({"password": {"type": "string", "value": WORD}}),
    repr({"password": {"type": "string", "default": WORD}}),
    f"<password><![CDATA[{WORD}]]></password>",
    f"<api_key>\n  {WORD}\n</api_key>",
    f"https://example.com/callback?code={LONG}&state=x",
    f"/?user[password]={WORD}&a=b",
    f"user%5Bpassword%5D={WORD}",
    f"password[]={WORD}",
    f"config['password'] = '{WORD}'",
    f"jdbc:oracle:thin:scott/{WORD}@db:1521",
    f"Passwort: {MADE}",
    f"it used hvs.{LONG} there",
    f"it used lsv2_pt_{LONG}_abcdef1234 there",
    f"it used pplx-{LONG} there",
    f"it used tvly-{LONG} there",
    f"it used nvapi-{LONG} there",
    f"it used dapi{LONG} there",
    f"it used lin_api_{LONG} there",
    f"it used figd_{LONG} there",
    f"it used ntn_{LONG} there",
    f"it used sbp_{LONG}{LONG} there",
    f"it used sntrys_{LONG} there",
)
BLOCKS = (
    f"password: |\n  {WORD}\n  {MADE}\nuser: ann",
    f"db:\n  password: >-\n    {WORD}\n  user: ann\n",
    f"token: |\n  {WORD}\n",
    f"password:\n  {WORD}\n",
    f"passwords:\n  - {MADE}\n  - {MADE}2\n",
    json.dumps({"config": f"password: |\n  {WORD}\nuser: ann"}),
    json.dumps({"config": f"token: |\r\n  {WORD}\r\n"})[:-3],
)


@pytest.mark.parametrize("text", COMMANDS + BESIDE + BLANKS + SPELLED + MESSAGES + BLOCKS)
def test_the_secret_goes_from_a_text(text: str) -> None:
    redacted = REDACT.text(text)
    assert REDACTED in redacted
    assert [] == [each for each in (WORD, MADE, LONG) if each in redacted]
    assert redacted == REDACT.text(redacted)


@pytest.mark.parametrize("text", COMMANDS + BESIDE + BLANKS + SPELLED + MESSAGES + BLOCKS)
def test_it_goes_from_a_text_in_json(text: str) -> None:
    redacted = REDACT.text(json.dumps({"a": 1, "text": text}))
    assert ["a", "text"] == list(json.loads(redacted))
    assert [] == [each for each in (WORD, MADE, LONG) if each in redacted]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mysql --password hUnt3r2x shop", f"mysql --password {REDACTED} shop"),
        ("a --token=abcdef --user=ann", f"a --token={REDACTED} --user=ann"),
        ("curl -u ann:x1 https://a.example", f"curl -u ann:{REDACTED} https://a.example"),
        ("mysql -u root -px1 shop", f"mysql -u root -p{REDACTED} shop"),
        ("['a', '--password', 'x', 'b']", f"['a', '--password', '{REDACTED}', 'b']"),
        ("{'name': 'password', 'value': 'x'}", f"{{'name': 'password', 'value': '{REDACTED}'}}"),
        ("[('password', 'x'), ('a', 'b')]", f"[('password', '{REDACTED}'), ('a', 'b')]"),
        ("<password>x</password><a>b</a>", f"<password>{REDACTED}</password><a>b</a>"),
        (
            "password: |\n  a\n\n  b\nuser: ann",
            f"password: |\n  {REDACTED}\nuser: ann",
        ),
        (
            "a:\n  password: |-\n    x\n  user: ann",
            f"a:\n  password: |-\n    {REDACTED}\n  user: ann",
        ),
        ("?sig=" + LONG + "&a=b", f"?sig={REDACTED}&a=b"),
        (
            '{"value": "x", "name": "password", "n": 1}',
            f'{{"value": "{REDACTED}", "name": "password", "n": 1}}',
        ),
        ("otp: 482913", f"otp: {REDACTED}"),
        ('{"otp": "482913", "n": 1}', f'{{"otp": "{REDACTED}", "n": 1}}'),
        ('{"credentials": "ann:hunter2"}', f'{{"credentials": "{REDACTED}"}}'),
    ],
)
def test_all_beside_it_stays(text: str, expected: str) -> None:
    assert expected == REDACT.text(text)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (["a", "--password", "x", "b"], ["a", "--password", REDACTED, "b"]),
        (("a", "--api-key", "x"), ("a", "--api-key", REDACTED)),
        (["a", "--password", "--user", "x"], ["a", "--password", "--user", "x"]),
        ({"name": "password", "value": "x"}, {"name": "password", "value": REDACTED}),
        ({"value": ["x"], "key": "api_key"}, {"value": REDACTED, "key": "api_key"}),
        (PEM, [REDACTED] * 4),
        ([*PEM[:3], "x y"], [REDACTED, REDACTED, REDACTED, "x y"]),
        (["a", *PEM, "b"], ["a", *[REDACTED] * 4, "b"]),
        ({"a": b"password=hunter2"}, {"a": b"password=[REDACTED]"}),
        ({"a": bytearray(b"password=hunter2")}, {"a": b"password=[REDACTED]"}),
        ({"a": {"password=hunter2"}}, {"a": {"password=[REDACTED]"}}),
        ({"otp": 482913, "n": 482913}, {"otp": REDACTED, "n": 482913}),
    ],
)
def test_the_secret_goes_from_data(value: Any, expected: Any) -> None:
    assert expected == REDACT.value(value)


def test_a_private_key_in_a_list_goes_from_its_text() -> None:
    for text in (repr(PEM), json.dumps(PEM), json.dumps({"a": PEM})[:-30]):
        assert PEM[1] not in REDACT.text(text)
        assert PEM[2] not in REDACT.text(text)
