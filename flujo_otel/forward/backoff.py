"""How long to wait before the next attempt."""

from random import SystemRandom
from typing import Final

FIRST_SECONDS: Final = 0.5
LONGEST_SECONDS: Final = 30.0
PAUSE_SECONDS: Final = 60.0
"""After an answer that no waiting mends: the backend's settings, or ours, have to be set right."""

# Not the random module's own generator, which the traced program may have seeded.
_random: Final = SystemRandom()


class Backoff:
    """Exponential backoff with jitter: many senders must not come back all at once."""

    def __init__(self) -> None:
        self._failures = 0

    def success(self) -> None:
        """The next failure is the first again."""
        self._failures = 0

    def failure(self) -> float:
        """Seconds to wait after one more failure."""
        longest = min(FIRST_SECONDS * 2 ** min(self._failures, 16), LONGEST_SECONDS)
        self._failures += 1
        return _random.uniform(longest / 2, longest)
