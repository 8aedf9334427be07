"""How many requests to commit together."""

from math import ceil
from typing import Final

_LONGEST_REST: Final = 256


class GroupSize:
    """Learnt from how many came.

    Clients that wait for their answers before they send again come all together, and to wait for
    one more would keep all of them waiting; of those that send whenever they have something, one
    more comes soon. Which they are shows when one more is waited for: where it comes, a further one
    is, where it does not, none is for twice as many groups as last time.
    """

    def __init__(self) -> None:
        self._usual = 1
        self._more = 0
        """1: one more than usual is waited for."""
        self._rest = 0
        """For so many groups no more than usual are."""
        self._last_rest = 1

    @property
    def wanted(self) -> int:
        """So many are worth waiting for."""
        return self._usual + self._more

    def took(self, requests: int) -> None:
        """So many came in time."""
        if requests >= self.wanted:
            self._usual = requests
            self._rest = max(0, self._rest - 1)
            if self._more:
                self._last_rest = 1
        elif self._more:
            self._usual = max(requests, self._usual)
            self._rest = self._last_rest = min(2 * self._last_rest, _LONGEST_REST)
        else:  # by degrees: a client that is late once is no client that has gone
            missing = self._usual - requests
            self._usual -= ceil(missing / 8)
        self._more = 0 if self._rest else 1
