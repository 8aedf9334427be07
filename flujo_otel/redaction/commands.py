"""Secrets among the arguments of a command: `--password ...`, as a line and as a list.

`-p` is many things, so it is read only after programs whose password it is.

before: mysql -u root -phunter shop
after:  mysql -u root -p[REDACTED] shop
"""

import re
from typing import Final

from flujo_otel.redaction.evidence import PLACEHOLDER, is_reference, looks_made
from flujo_otel.redaction.keys import Keys
from flujo_otel.redaction.mark import REDACTED
from flujo_otel.redaction.naming import Naming

_OPTION: Final = re.compile(
    r"--([A-Za-z][A-Za-z0-9_.\-]{1,47}+)"
    r"""(?:(=|[ \t]++)|(\\*["'])\s{0,8}+,\s{0,8}+[bru]?(?=\3))"""
    r"""(?:(\\*["'])(?!--)((?:(?!\4)[^\r\n]){1,1024}+)|((?!-)[^\s"'`<>&;|\\]++))"""
)
_AFTER_PROGRAMS: Final = (
    ("sshpass", re.compile(r"(\bsshpass[ \t]{1,8}-p[ \t]{0,8}[\"']?)([^\s\"']++)")),
    (
        "mysql",
        re.compile(r"(\bmysql[a-z]{0,8}+\b(?:[ \t]++[^\s|;&]{1,64}+){0,12}?[ \t]++-p)([^\s\"']++)"),
    ),
    (
        "login",
        re.compile(
            r"(\blogin\b(?:[ \t]++[^\s|;&]{1,64}+){0,8}?[ \t]++-p[ \t]++[\"']?)"
            r"(?!\d{1,5}\b)([^\s\"']++)"
        ),
    ),
    (
        "curl",
        re.compile(
            r"(\bcurl\b(?:[ \t]++[^\s|;&]{1,256}+){0,16}?[ \t]++"
            r"(?:-u|-U|--user|--proxy-user)(?:=|[ \t]++)"
            r"[\"']?[^\s:\"'/]{1,64}+:)([^\s\"']++)"
        ),
    ),
)
_WORDS: Final = frozenset({"true", "false", "yes", "no", "none", "auto", "on", "off"})


def redact_commands(text: str, keys: Keys) -> str:
    """`text` with the secrets in it redacted that options name."""
    if "--" in text:
        text = _OPTION.sub(lambda match: _option(match, keys), text)
    if " -" in text:
        for program, pattern in _AFTER_PROGRAMS:
            if program in text:
                text = pattern.sub(_after_program, text)
    return text


def names_next(item: str, keys: Keys) -> bool:
    """Of a list of arguments: whether the next one is a secret for this one."""
    is_option = item[2:3].isalpha() and " " not in item
    return is_option and _naming(item[2:], keys) is Naming.STRONG


def _naming(option: str, keys: Keys) -> Naming:
    naming = keys.naming(option)
    is_token = naming is Naming.WEAK and option.lower().endswith("token")
    return Naming.STRONG if is_token else naming


def _option(match: re.Match[str], keys: Keys) -> str:
    name, between, _, _, quoted, bare = match.groups()
    if (quoted or bare).startswith(("-", "$", REDACTED)):
        return match[0]
    value = quoted or bare.rstrip(",.)]}!?:")
    naming = _naming(name, keys)
    if naming is not Naming.STRONG or PLACEHOLDER.fullmatch(value) or value.lower() in _WORDS:
        return match[0]
    if not quoted and between != "=" and not looks_made(value, naming):
        return match[0]
    if not quoted and is_reference(value, "", name):
        return match[0]
    start = match.start(5 if quoted else 6) - match.start()
    return match[0][:start] + REDACTED + match[0][start + len(value) :]


def _after_program(match: re.Match[str]) -> str:
    is_shown = match[2].startswith(("$", "-", REDACTED)) or PLACEHOLDER.fullmatch(match[2])
    return match[0] if is_shown else f"{match[1]}{REDACTED}"
