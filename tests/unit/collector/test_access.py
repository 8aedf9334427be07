"""How a token is looked at; that it is asked for, the real server shows (integration)."""

import hmac

import pytest

from flujo_otel.collector.access import Access, authorization_of

RIGHT = (b"authorization", b"Bearer s3cret")


def test_of_two_authorizations_neither_counts() -> None:
    assert b"Bearer s3cret" == authorization_of([(b"host", b"localhost"), RIGHT])
    assert authorization_of([RIGHT, (b"authorization", b"Bearer wrong")]) is None
    assert authorization_of([RIGHT, RIGHT]) is None


def test_a_token_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []
    original = hmac.compare_digest

    def compare(given: bytes, token: bytes) -> bool:
        compared.append((given, token))
        return original(given, token)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    guarded = Access("127.0.0.1", token="s3cret")
    assert [False, True] == [guarded.has_token(b"Bearer " + each) for each in (b"s3", b"s3cret")]
    assert [(b"s3", b"s3cret"), (b"s3cret", b"s3cret")] == compared
