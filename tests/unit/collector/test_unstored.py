"""What is not stored is in the ledger, or was not acknowledged."""

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from flujo_otel.collector.answers import Encoding, Refusal
from flujo_otel.collector.unstored import Unstored
from flujo_otel.forward.passing import PassThrough
from flujo_otel.model import Loss
from flujo_otel.wire.transport import Signal


def _a_record() -> bytes:
    message = ExportLogsServiceRequest()
    message.resource_logs.add().scope_logs.add().log_records.add()
    return message.SerializeToString()


@pytest.mark.parametrize("passes_on", [True, False])
def test_after_its_end_nothing_is_taken_that_nobody_would_count(*, passes_on: bool) -> None:
    losses: list[Loss] = []
    unstored = Unstored(losses.extend)
    if passes_on:
        unstored.pass_on = PassThrough([]).offer
    unstored.take(Signal.LOGS, _a_record(), Encoding.PROTOBUF)
    unstored.end()
    with pytest.raises(Refusal) as caught:
        unstored.take(Signal.LOGS, _a_record(), Encoding.PROTOBUF)
    assert 503 == caught.value.http
    assert [1] == [loss.count for loss in losses]
    assert {Signal.LOGS: 1} == unstored.totals
