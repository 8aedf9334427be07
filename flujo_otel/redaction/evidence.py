"""What speaks for a value being a secret, and what against it, where its name may be a secret's.

before: token: a1b2c3d4 secret: to success password=${PW}
after:  token: [REDACTED] secret: to success password=${PW}
"""

import re
from collections.abc import Mapping
from typing import Final

from flujo_otel.redaction.mark import REDACTED
from flujo_otel.redaction.naming import Naming
from flujo_otel.redaction.schemas import describes

_TYPE: Final = (
    r"(?:Optional|SecretStr|[Ss]tr(?:ing)?|bytes|int|None|null|[Tt]rue|[Ff]alse|undefined)"
    r"(?:\[[A-Za-z_., |\[\]]{0,32}+|\((?:[0-9]{1,4}|[*'\"\\]{1,24}+)?+\)?+)?+"
)
"""With what it is made of: `Optional[str]`, `String(255)`, `SecretStr('***')`."""
PLACEHOLDER: Final = re.compile(
    r"\*+|\.+|x{3,}|<[^<>]{1,64}>|\$\{?[A-Za-z_]\w{0,64}\}?|\{{1,2}[^{}]{0,64}\}{1,2}|%\(\w{1,64}\)s|%s"
    rf"|{_TYPE}(?:\s{{0,2}}\|\s{{0,2}}{_TYPE}){{0,4}}+"
    rf"(?:\s{{0,2}}=(?:\s{{0,2}}(?:{_TYPE}|\.\.\.|[A-Za-z_.]{{1,32}}+[(\[]\S{{0,16}}))?)?+"
    r"[!?]?+[)\]}]{0,2}+:?+"
)
"""What people write where the secret is to be, and types."""
_REFERENCE: Final = re.compile(r"[A-Za-z_][A-Za-z_0-9.]*+")
_DIGIT: Final = re.compile(r"\d")
_SIGN: Final = re.compile(r"[!@#$%^*+~?=]")
_FAINT: Final = re.compile(r"(?=[^\d\s]*+\d)\S{4,}+|(?=[^:@!#$%^*+~?=\s]++[:@!#$%^*+~?=])\S{8,}+")
_SMALLEST_CODE: Final = 1000
_SHELLS_FOLDER: Final = re.compile(r"(?:.* )?(?:(?:OLD)?PWD|pwd)")
"""As a shell writes it; `Pwd` is a password in a connection string."""
_FOLDER: Final = re.compile(r"/(?:[A-Za-z]*+|[A-Za-z0-9._@~\-]++(?:/[A-Za-z0-9._@~\-]++)++)/?")
"""Of a lone segment letters only: passwords begin with a slash too."""


def looks_made(value: str, naming: Naming) -> bool:
    """Letters with digits or signs among them: no word of a language."""
    if len(value) < (5 if naming is Naming.STRONG else 8):
        return False
    letters = any(map(str.isalpha, value))
    digits = _DIGIT.search(value) is not None
    signs = _SIGN.search(value) is not None
    return (letters and (digits or signs)) or (digits and len(value) >= 12)


def looks_faint(value: str) -> bool:
    """One word with digits or signs in it: of `credentials` no degree, of `otp` no state."""
    return _FAINT.fullmatch(value) is not None


def is_code(number: float) -> bool:
    """One that was sent to somebody's telephone, and no count."""
    return number >= _SMALLEST_CODE


def is_folder(name: str, value: object) -> bool:
    """Whether `name` is that of the working directory, and `value` a path."""
    return (
        isinstance(value, str)
        and value[:1] == "/"
        and _FOLDER.fullmatch(value) is not None
        and _SHELLS_FOLDER.fullmatch(name) is not None
    )


def is_hidden(naming: Naming, value: object) -> bool:
    """Whether `value`, of any kind, is a secret under a name of NAMINGS. A flag hides nothing, nor
    does what is empty; a number of tokens or cookies is a number."""
    if value is None or isinstance(value, bool):
        return False
    if isinstance(value, int | float):
        return naming is Naming.STRONG or (naming is Naming.FAINT and is_code(value))
    if naming is Naming.FAINT and isinstance(value, str):
        return looks_faint(value)
    if isinstance(value, Mapping):
        return bool(value) and not describes(value)
    return not isinstance(value, str | bytes | list | tuple) or bool(value)


def is_redacted(value: str) -> bool:
    """Nothing of the secret is shown: there is a mark or a placeholder in its place."""
    return value.startswith(REDACTED) or PLACEHOLDER.fullmatch(value) is not None


def is_reference(value: str, following: str, name: str) -> bool:
    """Code that names a secret holds none: `token = tokenizer(`, `password=password`."""
    if _REFERENCE.fullmatch(value) is None:
        call = _REFERENCE.match(value)
        return call is not None and value[call.end() : call.end() + 1] in ("(", "[")
    last = value.rpartition(".")[2]
    return following in ("(", "[") or name.lower().endswith(last.lower())
