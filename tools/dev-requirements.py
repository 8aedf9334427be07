"""Print pyproject's `dev` dependency group, one requirement a word.

pip reads dependency groups itself only from 25.1; the pip that a fresh Python 3.11 brings is older.
"""

import sys
import tomllib
from pathlib import Path

pyproject = Path(__file__).resolve().parent.parent / "pyproject.toml"
sys.stdout.write(" ".join(tomllib.loads(pyproject.read_text())["dependency-groups"]["dev"]))
