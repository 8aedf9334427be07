"""How long a backend that is away is left alone."""

from flujo_otel.forward.backoff import FIRST_SECONDS, LONGEST_SECONDS, Backoff


def test_each_wait_is_about_twice_the_last_up_to_a_bound_and_never_the_same_for_all() -> None:
    many = [Backoff() for _ in range(50)]
    for failures in range(12):
        longest = min(FIRST_SECONDS * 2**failures, LONGEST_SECONDS)
        waits = [each.failure() for each in many]
        assert longest / 2 <= min(waits) < max(waits) <= longest


def test_after_a_success_it_begins_anew() -> None:
    backoff = Backoff()
    for _ in range(8):
        backoff.failure()
    assert backoff.failure() > FIRST_SECONDS
    backoff.success()
    assert backoff.failure() <= FIRST_SECONDS
