"""What the name of a value says of it."""

from enum import Enum, auto
from typing import Final


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
