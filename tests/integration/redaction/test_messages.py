"""Secrets in OTLP that the fields and items beside them show."""

import pytest
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.common.v1.common_pb2 import (
    AnyValue,
    ArrayValue,
    InstrumentationScope,
    KeyValue,
    KeyValueList,
)
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from flujo_otel.redaction import REDACTED, Redactor
from flujo_otel.wire.otlp_redaction import MessageRedactor


def text(value: str) -> AnyValue:
    return AnyValue(string_value=value)


def array(*values: str) -> AnyValue:
    return AnyValue(array_value=ArrayValue(values=[text(value) for value in values]))


def fields(**values: AnyValue) -> AnyValue:
    pairs = [KeyValue(key=key, value=value) for key, value in values.items()]
    return AnyValue(kvlist_value=KeyValueList(values=pairs))


def redacted(value: AnyValue) -> AnyValue:
    span = Span(attributes=[KeyValue(key="a", value=value)])
    MessageRedactor(Redactor()).span(span)
    found: AnyValue = span.attributes[0].value
    return found


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (array("mysql", "--password", "x"), array("mysql", "--password", REDACTED)),
        (array("x-api-key", "x"), array("x-api-key", REDACTED)),
        (
            array("-----BEGIN PRIVATE KEY-----", "TUlJ", "-----END PRIVATE KEY-----", "b"),
            array(REDACTED, REDACTED, REDACTED, "b"),
        ),
        (array("a", "", "password=hunter2"), array("a", "", "password=[REDACTED]")),
        (
            fields(name=text("password"), value=text("x"), n=text("y")),
            fields(name=text("password"), value=text(REDACTED), n=text("y")),
        ),
        (
            fields(value=array("x"), key=text("api_key")),
            fields(value=text(REDACTED), key=text("api_key")),
        ),
        (
            fields(name=text("token"), value=AnyValue(int_value=17)),
            fields(name=text("token"), value=AnyValue(int_value=17)),
        ),
        (fields(name=text("user"), value=text("x")), fields(name=text("user"), value=text("x"))),
        (fields(value=AnyValue(int_value=0)), fields(value=AnyValue(int_value=0))),
        (
            fields(token=text("Hi"), logprob=AnyValue(double_value=-0.1)),
            fields(token=text("Hi"), logprob=AnyValue(double_value=-0.1)),
        ),
        (fields(token=text("Hi"), n=text("x")), fields(token=text(REDACTED), n=text("x"))),
        (
            fields(access_token=text("Hi"), logprob=text("x")),
            fields(access_token=text(REDACTED), logprob=text("x")),
        ),
        (
            fields(name=text("password"), value=AnyValue(bytes_value=b"x")),
            fields(name=text("password"), value=text(REDACTED)),
        ),
        (
            fields(name=text("password"), value=fields(a=text("x"))),
            fields(name=text("password"), value=text(REDACTED)),
        ),
    ],
    ids=str,
)
def test_the_value_goes(given: AnyValue, expected: AnyValue) -> None:
    assert MessageToDict(expected) == MessageToDict(redacted(given))


def test_attributes_are_read_by_what_stands_beside_them_as_the_producers_own_are() -> None:
    for given in (
        {"name": "password", "value": "x"},
        {"value": "x", "name": "password"},
        {"token": "Hi", "logprob": "-0.1"},
        {"token": "Hi", "n": "-0.1"},
        {"name": "it used password=hunter2", "value": "x"},
    ):
        pairs = [KeyValue(key=key, value=text(value)) for key, value in given.items()]
        span = Span(attributes=pairs)
        MessageRedactor(Redactor()).span(span)
        found = {pair.key: pair.value.string_value for pair in span.attributes}
        assert found == Redactor().attributes(given)


def test_a_name_counts_as_it_was_before_a_rule_of_ones_own() -> None:
    rules = Redactor(patterns=["password"])
    span = Span(
        attributes=[KeyValue(key="a", value=fields(name=text("password"), value=text("x")))]
    )
    MessageRedactor(rules).span(span)
    assert MessageToDict(fields(name=text(REDACTED), value=text(REDACTED))) == MessageToDict(
        span.attributes[0].value
    )
    assert {"name": REDACTED, "value": REDACTED} == rules.value({"name": "password", "value": "x"})


def test_an_entity_is_redacted_and_names_the_attributes_that_are_there() -> None:
    secret = "ghp_" + "a1" * 18
    resource = Resource(attributes=[KeyValue(key=secret, value=text("x"))])
    resource.entity_refs.add(
        schema_url=f"https://ann:hunter2@example.com/{secret}",
        type=secret,
        id_keys=[secret, "host.id"],
        description_keys=["host.name", secret],
    )
    MessageRedactor(Redactor()).resource(resource)
    [entity] = resource.entity_refs
    assert f"https://ann:{REDACTED}@example.com/{REDACTED}" == entity.schema_url
    assert REDACTED == entity.type
    assert [resource.attributes[0].key, "host.id"] == entity.id_keys
    assert ["host.name", REDACTED] == entity.description_keys


def test_an_entity_without_a_secret_stays_to_the_byte() -> None:
    resource = Resource()
    resource.entity_refs.add(schema_url="https://example.com/1", type="host", id_keys=["host.id"])
    before = resource.SerializeToString()
    MessageRedactor(Redactor()).resource(resource)
    assert before == resource.SerializeToString()


def test_a_scope_is_redacted() -> None:
    scope = InstrumentationScope(name="lib ghp_" + "a1" * 18, version="1+password=hunter2")
    MessageRedactor(Redactor()).scope(scope)
    assert (f"lib {REDACTED}", f"1+password={REDACTED}") == (scope.name, scope.version)
