"""Which names are names of secrets.

A name is read word by word, however it is written: `apiKey`, `API-KEY`, `api_key`,
`openai.api_key` and `apikey` all end in "api key". The end decides: `user.password` names a secret,
`password_policy` does not.
"""

import re
from collections.abc import Callable, Iterable
from enum import Enum, auto
from typing import Final

from flujo_otel.redaction.needles import any_of
from flujo_otel.semconv import flujo, xray


class Naming(Enum):
    """What a name says of its value."""

    ORDINARY = auto()
    ID = auto()
    """Nothing would be found by it if it were altered, so it never is."""
    LEAK = auto()
    """The name is a secret itself."""
    BESIDE = auto()
    """`value`: what it is may be said by a field beside it."""
    FAINT = auto()
    """A secret where the value looks like one, wherever it is: `credentials` may be a degree."""
    WEAK = auto()
    """A secret where the value is stored under the name; in running text, where it looks like one:
    people write `token:` and `secret:` of other things."""
    STRONG = auto()
    """A secret."""


NAMINGS: Final = (Naming.FAINT, Naming.WEAK, Naming.STRONG)
"""Of secrets."""
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_NAME_LIMIT: Final = 256
_MOST_WORDS: Final = 4
_MOST_REMEMBERED: Final = 4096


def _words_of(text: str) -> frozenset[str]:
    return frozenset(text.split())


STRONG_NAMES: Final = _words_of("""
    password passwords passwort motdepasse passwd passphrase passcode pwd userpass
    dbpass smtppass mailpass adminpass rootpass
    apikey apikeys apisecret apipassword
    accesskey accesskeyid secretkey secretkeys secretaccesskey privatekey privatekeys signingkey
    encryptionkey decryptionkey masterkey accountkey sharedkey sharedaccesskey sshkey authkey appkey
    consumerkey subscriptionkey servicekey servicerolekey adminkey deploykey licensekey sessionkey
    clientsecret appsecret consumersecret signingsecret webhooksecret sharedsecret tokensecret
    accesstoken accesstokens refreshtoken refreshtokens authtoken authtokens apitoken apitokens
    idtoken bearertoken sessiontoken securitytoken clienttoken usertoken bottoken
    personalaccesstoken deploytoken csrftoken xsrftoken xcsrftoken csrfmiddlewaretoken
    authorization proxyauthorization basicauth httpauth proxyauth
    setcookie sessioncookie authcookie cookiejar phpsessid jsessionid netsessionid connectsid
    connectionstring connectionstrings connstring connstr
    cardnumber creditcard creditcardnumber debitcardnumber ccnumber cardno cvv cvc cvv2 cvc2
    cardsecuritycode cardpin onetimepassword totpsecret recoverycodes
    amzsignature amzcredential
    """)
_WEAK: Final = _words_of("token secret secrets auth cookie cookies bearer jwt")
_FAINT: Final = _words_of("credential credentials creds otp otpcode mfacode totp")
_FAINT_WORDS: Final = _words_of("sessionid")
"""In one word, as frameworks call their cookies; `session.id` and `session_id` say in which
conversation something was, and are looked for."""
_BESIDE: Final = frozenset({"value", "Value", "VALUE", "values", "Values"})
_GLUED: Final = (
    "password",
    "passwd",
    "passphrase",
    "apikey",
    "secretkey",
    "privatekey",
    "accesstoken",
    "refreshtoken",
    "authtoken",
    "clientsecret",
)
"""Endings of words that were written without a boundary: `dbpassword`."""
_NO_SECRET_TOKEN: Final = _words_of("""
    page next pad eos bos unk sep cls mask special stop start end max min first last per each total
    input output prompt completion reasoning cached cache continuation cancellation cancel this
    previous prev current other some any every no image audio text word sub new special single a the
    """)
"""`next_page_token`, `pad_token`, `time_to_first_token`, `cost_per_token` hold no secret."""
_TRAILING: Final = _words_of(
    "value header hash confirmation confirm raw plain plaintext encrypted new old again repeat"
)
"""Words after the name of a secret that leave it one: `token_value`, `password_hash`."""

STEMS: Final = (
    "pass",
    "pwd",
    "secret",
    "token",
    "key",
    "auth",
    "cookie",
    "cred",
    "card",
    "cc_n",
    "cv",
    "conn",
    "sessid",
    "sessionid",
    "otp",
    "amz",
)
"""One of these is in each name of a secret, in lower case: what text is searched for. Names without
one (`jwt`) hold what is known by its looks, or are no names in running text."""
_IDS: Final = frozenset({flujo.RUN_ID, flujo.NESTED_RUN_ID, flujo.STEP_ID, xray.STEP_ID})


class Keys:
    """The names of secrets: ours, and `own` ones, which are read word by word too.

    `is_secret` says whether a name is a secret itself.
    """

    __slots__ = ("_is_secret", "_own", "known", "may_be_in", "stems")

    def __init__(self, own: Iterable[str], is_secret: Callable[[str], bool]) -> None:
        self._is_secret = is_secret
        words = [split for split in map(_words, own) if split]
        self._own = frozenset("".join(split) for split in words)
        self.stems = (*STEMS, *(max(split, key=len) for split in words))
        self.may_be_in = any_of(self.stems)
        """Whether one of `stems` is in a text in lower case."""
        self.known: dict[str, Naming] = {}

    def naming(self, name: str) -> Naming:
        """What `name` says of its value. Remembered: names come again and again."""
        known = self.known.get(name)
        if known is None:
            if len(self.known) >= _MOST_REMEMBERED:
                self.known.clear()
            known = self.known[name] = self._read(name)
        return known

    def _read(self, name: str) -> Naming:
        if name in _IDS:
            return Naming.ID
        if name in _BESIDE:
            return Naming.BESIDE
        if self._is_secret(name):
            return Naming.LEAK
        words = _words(name)
        while words and (words[-1].isdigit() or words[-1] in _TRAILING) and len(words) > 1:
            if "".join(words[-2:]) in STRONG_NAMES:
                break
            words.pop()
        return self._of_words(words) if words else Naming.ORDINARY

    def _of_words(self, words: list[str]) -> Naming:
        ends = [
            "".join(words[start:]) for start in range(max(0, len(words) - _MOST_WORDS), len(words))
        ]
        if not self._own.isdisjoint(ends) or not STRONG_NAMES.isdisjoint(ends):
            return Naming.STRONG
        last = words[-1]
        if last in _FAINT_WORDS or not _FAINT.isdisjoint(ends):
            return Naming.FAINT
        if last in _WEAK:
            before = words[-2] if len(words) > 1 else ""
            ordinary = last == "token" and before in _NO_SECRET_TOKEN
            return Naming.ORDINARY if ordinary else Naming.WEAK
        return Naming.STRONG if last.endswith(_GLUED) else Naming.ORDINARY


def joined(name: str) -> str:
    """The words of `name` as one: the same for each way to write it."""
    return "".join(_words(name))


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(name[-_NAME_LIMIT:])]
