"""How many requests are waited for: all that come together, and not one that never comes."""

from collections.abc import Callable

import pytest

from flujo_otel.collector.group_size import GroupSize

GROUPS = 1000


def groups(come: Callable[[int], int]) -> list[tuple[int, int]]:
    """`come` tells how many requests come where so many are waited for; of each group how many were
    waited for and how many came."""
    size, found = GroupSize(), []
    for _ in range(GROUPS):
        wanted = size.wanted
        found.append((wanted, come(wanted)))
        size.took(found[-1][1])
    return found


def in_vain(found: list[tuple[int, int]]) -> int:
    return sum(came < wanted for wanted, came in found)


@pytest.mark.parametrize("clients", [1, 8, 50])
def test_clients_that_wait_for_their_answers_are_hardly_ever_kept_waiting(clients: int) -> None:
    found = groups(lambda wanted: clients if wanted >= clients else wanted)
    assert clients <= max(wanted for wanted, _ in found) <= clients + 1
    assert (clients, clients) == found[-1]
    assert in_vain(found) <= 12


def test_of_clients_that_send_whenever_they_like_as_many_are_waited_for_as_come() -> None:
    found = groups(lambda wanted: min(wanted, 9))
    assert 9 == found[20][1]
    assert sum(came for _, came in found) > 8.9 * GROUPS


def test_a_client_that_is_late_once_has_not_gone() -> None:
    size = GroupSize()
    for came in (1, 8, 8, 8, 8):
        size.took(came)
    size.took(1)
    size.took(7)
    assert size.wanted >= 7


@pytest.mark.parametrize(("burst", "groups"), [(8, 12), (100, 40), (500, 60)])
def test_clients_that_have_gone_are_soon_forgotten(burst: int, groups: int) -> None:
    size = GroupSize()
    size.took(burst)
    for _ in range(groups):
        size.took(1)
    assert size.wanted <= 2
