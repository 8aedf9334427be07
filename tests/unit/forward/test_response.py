"""A backend may answer with anything: it is read, or refused with a ValueError."""

import time
from collections.abc import Callable
from contextlib import suppress

import pytest
from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from flujo_otel.forward.response import partial_success, status
from flujo_otel.wire.protobuf import delimited, tag, varint


@given(st.integers(0, 2**63 - 1), st.text())
def test_a_partial_success_is_read(rejected: int, words: str) -> None:
    message = ExportTraceServiceResponse()
    message.partial_success.rejected_spans = rejected
    message.partial_success.error_message = words
    assert (rejected, words) == partial_success(message.SerializeToString())


def test_an_empty_answer_is_a_full_success() -> None:
    assert (0, "") == partial_success(b"")


def test_a_negative_count_is_none() -> None:
    message = ExportTraceServiceResponse()
    message.partial_success.rejected_spans = -1
    assert (0, "") == partial_success(message.SerializeToString())


@given(st.text(), st.integers(0, 10**9), st.integers(0, 999_999_999))
def test_a_status_is_read_with_its_retry_info(words: str, seconds: int, nanos: int) -> None:
    delay = delimited(tag(1, 2), Duration(seconds=seconds, nanos=nanos).SerializeToString())
    other = Any(type_url="type.googleapis.com/google.rpc.Help", value=b"\xff")
    info = Any(type_url="type.googleapis.com/google.rpc.RetryInfo", value=delay)
    body = tag(1, 0) + varint(14) + delimited(tag(2, 2), words.encode())
    for detail in (other, info):
        body += delimited(tag(3, 2), detail.SerializeToString())
    assert (words, seconds + nanos / 1e9) == status(body)


@pytest.mark.parametrize("read", [partial_success, status])
def test_nothing_but_fields_is_no_answer_and_is_not_read_to_its_end(
    read: Callable[[bytes], object],
) -> None:
    began = time.process_time()
    with pytest.raises(ValueError, match="fields"):
        read(b"xx" * (2 << 20))
    assert time.process_time() - began < 0.5  # of the 2 s that it takes


@given(st.binary(max_size=200))
def test_noise_is_a_value_error_at_most(body: bytes) -> None:
    for read in (partial_success, status):
        with suppress(ValueError):
            read(body)
