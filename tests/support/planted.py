"""Secrets of every kind, each one of a kind: what a test plants and then looks for.

`needle` is the part that must not be found anywhere. `text` holds it as it comes about in running
text; where its kind is known by its name alone, `name` is that name.
"""

import random
import string
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass

ALPHANUMERIC = string.ascii_letters + string.digits
URL_SAFE = ALPHANUMERIC + "_-"
_HEX = "0123456789abcdef"
NAMES = (
    "password",
    "db_password",
    "userPassword",
    "PGPASSWORD",
    "passwd",
    "api_key",
    "apiKey",
    "X-API-Key",
    "OPENAI_API_KEY",
    "openai.api_key",
    "aws_secret_access_key",
    "client_secret",
    "clientSecret",
    "access_token",
    "refreshToken",
    "auth_token",
    "token",
    "secret",
    "secret_key",
    "privateKey",
    "authorization",
    "http.request.header.authorization",
    "Proxy-Authorization",
    "Cookie",
    "Set-Cookie",
    "session_cookie",
    "connection_string",
    "credentials",
    "passphrase",
    "pwd",
)


@dataclass(frozen=True)
class Secret:
    kind: str
    needle: str
    text: str
    """Running text with the needle in it."""
    value: str
    """The secret on its own, as the value of something."""
    name: str | None = None
    """Known by this name alone; None: by its looks."""

    @property
    def shard(self) -> str:
        """A piece of the needle, which is to be found no more than the whole."""
        return self.needle[len(self.needle) // 4 :][:10]


def secrets(count: int, seed: int = 5) -> list[Secret]:
    """So many, of all kinds in turn; the same for the same seed."""
    return [secret for secret, _ in zip(_endless(random.Random(seed)), range(count), strict=False)]


def _endless(source: random.Random) -> Iterator[Secret]:
    while True:
        for kind, make in LOOKS.items():
            value = make(source)
            needle = _needle(kind, value)
            yield Secret(kind, needle, f"It said {value} and went on.", value)
        for name in NAMES:
            value = _drawn(source, ALPHANUMERIC, 12) + "7q"
            yield Secret(f"named {name}", value, _in_words(source, name, value), value, name)


def _needle(kind: str, value: str) -> str:
    if kind == "pem":
        return value.splitlines()[2]
    if kind == "url":
        return value.partition("@")[0].rpartition(":")[2]
    return value.rpartition(" ")[2] if kind in ("bearer", "basic") else value


def _in_words(source: random.Random, name: str, value: str) -> str:
    return (
        source.choice(
            [
                f"{name}={value}",
                f"GET /x?a=1&{name}={value}&b=2",
                f"cannot log in with {{'user': 'ann', '{name}': '{value}'}}",
                f'{{"user": "ann", "{name}": "{value}", "n": 1}}',
                f'{{"body": "{{\\"{name}\\": \\"{value}\\"}}"}}',
                f"export {name}='{value}'",
                f'Config(user="ann", {name}="{value}")',
                f"user: ann\n{name}: {value}\n",
            ]
        )
        if name not in ("Cookie", "Set-Cookie")
        else f"{name}: id={value}; Path=/"
    )


def _drawn(source: random.Random, alphabet: str, length: int) -> str:
    return "".join(source.choices(alphabet, k=length))


def _prefixed(prefix: str, alphabet: str, length: int) -> Callable[[random.Random], str]:
    return lambda source: prefix + _drawn(source, alphabet, length - 1) + "7"


def _pem(source: random.Random) -> str:
    lines = [_drawn(source, ALPHANUMERIC + "+/", 64) for _ in range(6)]
    kind = source.choice(
        ["RSA PRIVATE KEY", "PRIVATE KEY", "OPENSSH PRIVATE KEY", "EC PRIVATE KEY"]
    )
    return "\n".join([f"-----BEGIN {kind}-----", *lines, f"-----END {kind}-----"])


def _jwt(source: random.Random) -> str:
    claims = b64encode(_drawn(source, ALPHANUMERIC, 40).encode()).decode().rstrip("=")
    return f"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ{claims}.{_drawn(source, URL_SAFE, 43)}"


def _basic(source: random.Random) -> str:
    return "Basic " + b64encode(f"ann:{_drawn(source, ALPHANUMERIC, 12)}".encode()).decode()


def card(source: random.Random, prefix: str, length: int) -> str:
    """A number that Luhn's check passes."""
    digits = prefix + _drawn(source, string.digits, length - len(prefix) - 1)
    doubled = [int(d) * (2 if place % 2 == 0 else 1) for place, d in enumerate(digits[::-1])]
    total = sum(n - 9 if n > 9 else n for n in doubled)
    return digits + str(-total % 10)


def _grouped(source: random.Random) -> str:
    number = card(source, "5425", 16)
    return source.choice(" -").join(number[place : place + 4] for place in range(0, 16, 4))


def _url(source: random.Random) -> str:
    scheme = source.choice(["postgresql", "https", "redis", "amqp", "mongodb+srv"])
    return f"{scheme}://ann:{_drawn(source, ALPHANUMERIC, 14)}@db.example.com:5432/shop?x=1"


LOOKS: dict[str, Callable[[random.Random], str]] = {
    "openai": _prefixed("sk-proj-", URL_SAFE, 60),
    "openai, old": _prefixed("sk-", ALPHANUMERIC, 48),
    "anthropic": _prefixed("sk-ant-api03-", URL_SAFE, 93),
    "aws id": _prefixed("AKIA", string.ascii_uppercase + string.digits, 16),
    "github": _prefixed("ghp_", ALPHANUMERIC, 36),
    "github oauth": _prefixed("gho_", ALPHANUMERIC, 36),
    "github fine": _prefixed("github_pat_", ALPHANUMERIC + "_", 82),
    "slack": _prefixed("xoxb-2912345678-", ALPHANUMERIC, 24),
    "google": _prefixed("AIza", URL_SAFE, 35),
    "stripe": _prefixed("sk_live_", ALPHANUMERIC, 24),
    "stripe restricted": _prefixed("rk_live_", ALPHANUMERIC, 24),
    "npm": _prefixed("npm_", ALPHANUMERIC, 36),
    "hugging face": _prefixed("hf_", ALPHANUMERIC, 34),
    "gitlab": _prefixed("glpat-", URL_SAFE, 20),
    "age": _prefixed("AGE-SECRET-KEY-1", string.ascii_uppercase + string.digits, 58),
    "new relic": _prefixed("NRAK-", string.ascii_uppercase + string.digits, 27),
    "postman": lambda s: f"PMAK-{_drawn(s, _HEX, 24)}-{_drawn(s, _HEX, 34)}",
    "atlassian": lambda s: f"ATATT3{_drawn(s, URL_SAFE, 178)}={_drawn(s, _HEX.upper(), 8)}",
    "terraform": lambda s: f"{_drawn(s, ALPHANUMERIC, 14)}.atlasv1.{_drawn(s, URL_SAFE, 67)}",
    "square": _prefixed("sq0atp-", URL_SAFE, 22),
    "square secret": _prefixed("sq0csp-", URL_SAFE, 43),
    "sendgrid": lambda s: f"SG.{_drawn(s, URL_SAFE, 22)}.{_drawn(s, URL_SAFE, 43)}",
    "jwt": _jwt,
    "bearer": lambda s: f"Bearer {_drawn(s, ALPHANUMERIC, 30)}7",
    "basic": _basic,
    "pem": _pem,
    "url": _url,
    "visa": lambda s: card(s, "4", 16),
    "amex": lambda s: card(s, "37", 15),
    "card in groups": _grouped,
}


def found_in(data: bytes, planted: list[Secret]) -> list[str]:
    """The kinds of those of which a piece can be read in `data`."""
    return sorted({secret.kind for secret in planted if secret.shard.encode() in data})
