"""Whatever a backend answers, it is told apart, and nothing in it is believed that cannot be."""

import pytest

from flujo_otel.forward.answer import Answer, Verdict, of_http


def taken(body: bytes) -> Answer:
    return of_http(200, "OK", body, content_type="application/json", retry_after="", now=0.0)


@pytest.mark.parametrize(
    "count", [b"Infinity", b"-Infinity", b"NaN", b"-7", b"{}", b"null", b"1e400"]
)
def test_a_count_of_rejected_spans_that_is_none_is_no_reason_to_send_them_again(
    count: bytes,
) -> None:
    answer = taken(b'{"partialSuccess":{"rejectedSpans":' + count + b"}}")
    assert (Verdict.TAKEN, 0) == (answer.verdict, answer.rejected)


def test_a_partial_success_in_json_is_read() -> None:
    answer = taken(b'{"partialSuccess":{"rejectedSpans":"3","errorMessage":"too old"}}')
    assert (Verdict.TAKEN, 3, "too old") == (answer.verdict, answer.rejected, answer.words)
