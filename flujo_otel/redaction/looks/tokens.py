"""Keys and tokens by the prefixes of who issues them.

before: it used AKIAIOSFODNN7EXAMPLE there
after:  it used [REDACTED] there
"""

import re
from typing import Final

from flujo_otel.redaction.looks.rules import literal, prefixed
from flujo_otel.redaction.mark import REDACTED

_IN_ONE_PIECE: Final = re.compile(
    r"(?=[A-Za-z]{0,99}+[0-9])(?=[0-9]{0,9}+[A-Za-z])[A-Za-z0-9]{8,}+|[0-9]{10}"
)


def _hyphenated(match: re.Match[str]) -> str:
    """Not `sk-learn-intro-2024-edition`, of words and years."""
    return REDACTED if _IN_ONE_PIECE.search(match[0]) else match[0]


PLAIN: Final = (
    prefixed("eyJ", r"[A-Za-z0-9_\-]{13,}+(?:\.[A-Za-z0-9_\-]*+){1,4}+"),
    literal("AKIA ASIA", r"A[KS]IA[A-Z0-9]{16}"),
    literal("AIza", r"AIza[A-Za-z0-9_\-]{30,}+"),
    prefixed("SG.", r"[A-Za-z0-9_\-]{16,}+\.[A-Za-z0-9_\-]{16,}+"),
    literal("hvs.", r"hvs\.[A-Za-z0-9_\-]{24,}+"),
    literal("dapi", r"dapi[a-f0-9]{32}"),
    literal("ya29.", r"ya29\.[A-Za-z0-9_\-]{20,}+"),
    literal(".atlasv1.", r"[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_\-=]{60,}+"),
    literal("ATATT3", r"ATATT3[A-Za-z0-9_\-=]{20,}+"),
)
WITH_HYPHEN: Final = (
    prefixed("sk-", r"(?=[A-Za-z_\-]{0,99}+[0-9])[A-Za-z0-9_\-]{16,}+", _hyphenated),
    literal("xox", r"xox[a-z]-[A-Za-z0-9\-]{10,}+"),
    literal("xapp-", r"xapp-[0-9]-[A-Za-z0-9\-]{10,}+"),
    prefixed("xai- pplx- tvly- nvapi-", r"(?=[A-Za-z_\-]{0,99}+[0-9])[A-Za-z0-9_\-]{20,}+"),
    literal("glpat-", r"glpat-[A-Za-z0-9_\-]{16,}+"),
    literal("pypi-", r"pypi-[A-Za-z0-9_\-]{50,}+"),
    literal("GOCSPX-", r"GOCSPX-[A-Za-z0-9_\-]{20,}+"),
    literal("AGE-SECRET-KEY-1", r"AGE-SECRET-KEY-1[A-Z0-9]{50,}+"),
    literal("NRAK-", r"NRAK-[A-Z0-9]{20,}+"),
    literal("PMAK-", r"PMAK-[a-f0-9]{20,}+(?:-[a-f0-9]{30,}+)?+"),
    literal("sq0csp- sq0atp-", r"sq0(?:csp|atp)-[A-Za-z0-9_\-]{20,}+"),
)
WITH_UNDERSCORE: Final = (
    literal("ghp_ gho_ ghu_ ghs_ ghr_", r"gh[pousr]_[A-Za-z0-9]{20,}+"),
    literal("github_pat_", r"github_pat_[A-Za-z0-9_]{20,}+"),
    literal("k_live_ k_test_", r"[sr]k_(?:live|test)_[A-Za-z0-9]{10,}+"),
    literal("whsec_", r"whsec_[A-Za-z0-9+/]{16,}+=*+"),
    prefixed("npm_ hf_ gsk_ r8_", r"[A-Za-z0-9]{20,}+"),
    literal("dckr_pat_", r"dckr_pat_[A-Za-z0-9_\-]{20,}+"),
    literal("shpat_", r"shpat_[A-Fa-f0-9]{32}"),
    literal("dop_v1_", r"dop_v1_[a-f0-9]{64}"),
    prefixed(
        "lsv2_ lin_api_ figd_ ntn_ sbp_ sntrys_",
        r"(?=[A-Za-z_\-]{0,99}+[0-9])[A-Za-z0-9_\-]{24,}+",
    ),
)
