"""The SDKs of three languages send to `lens serve`; what is stored is what each of them sent."""

import pytest

from . import store, tree
from .clients import CLIENTS, Client
from .collector import Collector, readable_value

pytestmark = pytest.mark.parametrize("client", CLIENTS, ids=str)


def test_what_it_sent_is_what_is_stored(client: Client, collector: Collector) -> None:
    """Every attribute type, event, link, status, parent and nanosecond; its exit code says that it
    found everything delivered, and it logged no complaint."""
    ids = client.send(collector.http, collector.grpc)
    stored = collector.trace(ids.trace_id)
    expected = tree.expected(ids, client.more, link_trace_state=client.link_trace_state)
    assert expected == tree.common(stored)
    exception = tree.exception(stored, ids)
    assert ("string", client.error_type) == exception["exception.type"]
    assert ("string", "card declined") == exception["exception.message"]
    assert client.error_type in str(exception["exception.stacktrace"])
    (language,) = {str(span.resource["telemetry.sdk.language"][1]) for span in stored.values()}
    assert client.language == language


def test_what_people_read_says_the_same(client: Client, collector: Collector) -> None:
    """The JSON columns, for SQL by hand, against what the client meant."""
    ids = client.send(collector.http, collector.grpc)
    expected = tree.expected(ids, client.more, link_trace_state=client.link_trace_state)
    readable = store.readable(collector.db, ids.trace_id)
    assert expected.keys() == readable.keys()
    for span_id, span in expected.items():
        attributes = {key: readable_value(value) for key, value in span.attributes.items()}
        assert attributes == readable[span_id]["attributes"]
        linked = [(link["trace_id"], link["span_id"]) for link in readable[span_id]["links"]]
        assert [(link.trace_id, link.span_id) for link in span.links] == linked
    assert "failed" == readable[ids.charge]["status"]
    assert "card declined" == readable[ids.charge]["status_message"]


def test_lens_trace_shows_it_whole(client: Client, collector: Collector) -> None:
    ids = client.send(collector.http, collector.grpc)
    shown = collector.lens("trace", ids.trace_id, "--attributes", "--events")
    for name in ("order", "reserve stock", "notify", "charge card"):
        assert name in shown
    for text in ("shop", "4 spans", "card declined", client.error_type, "grüße 🎉", "picked", "B7"):
        assert text in shown
