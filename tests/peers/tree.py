"""The trace that every client sends: what must be stored, in no client's and not in our own words.

order (server)
├── reserve stock (internal, ok; two events)
│   └── notify (producer)
└── charge card (client, failed; an exception, two links)
"""

import json
import math
from dataclasses import dataclass, replace
from typing import Any, Self

from .plain import Attributes, PlainEvent, PlainLink, PlainSpan, Spans, double

BASE_NS = 1_795_000_000_123_456_789

ATTRIBUTES: Attributes = {
    "text": ("string", "grüße 🎉"),
    "empty": ("string", ""),
    "yes": ("bool", True),
    "no": ("bool", False),
    "whole": ("int", 42),
    "negative": ("int", -7),
    "big": ("int", 2**53 - 1),
    "ratio": ("double", 0.1),
    "tiny": ("double", 1e-300),
    "not_a_number": double(math.nan),
    "infinite": ("double", math.inf),
    "texts": ("array", (("string", "a"), ("string", ""), ("string", "ü"))),
    "booleans": ("array", (("bool", True), ("bool", False))),
    "wholes": ("array", (("int", 1), ("int", -2))),
    "ratios": ("array", (("double", 0.5), ("double", 1e-9))),
    "nothing": ("array", ()),
}
RESOURCE: Attributes = {
    "service.name": ("string", "shop"),
    "replicas": ("int", 3),
    "zones": ("array", (("string", "a"), ("string", "b"))),
}
SCOPE = ("shop.orders", "1.2.3")
PICKED: Attributes = {"shelf": ("string", "B7"), "count": ("int", 3), "heavy": ("bool", False)}
LINKED: Attributes = {"why": ("string", "retry of"), "attempt": ("int", 2)}
REMOTE = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")


@dataclass(frozen=True)
class Ids:
    """What a client printed: the ids that its SDK gave to the four spans."""

    trace_id: str
    order: str
    reserve: str
    notify: str
    charge: str

    @classmethod
    def printed(cls, text: str) -> Self:
        said = json.loads(text)
        return cls(said["trace_id"], *said["span_ids"])


def expected(ids: Ids, more: Attributes, *, link_trace_state: str = "vendor=x") -> Spans:
    """The tree under these ids. `more`: attributes of `order` that this client adds or writes in
    another way. Without exceptions, resources and flags, in which the SDKs differ: see `common`."""
    order = _span("order", 2, (0, 5_000_005), attributes=ATTRIBUTES | more)
    reserve = _span(
        "reserve stock",
        1,
        (1_000_001, 2_000_002),
        status=(1, ""),
        events=(
            PlainEvent("picked", BASE_NS + 1_500_003, PICKED),
            PlainEvent("packed", BASE_NS + 1_700_007, {}),
        ),
    )
    notify = _span("notify", 4, (1_800_000, 1_900_000))
    charge = _span(
        "charge card",
        3,
        (3_000_003, 4_000_004),
        status=(2, "card declined"),
        links=(
            PlainLink(*REMOTE, LINKED, link_trace_state),
            PlainLink(ids.trace_id, ids.reserve, {}),
        ),
    )
    placed = [
        (order, ids.order, ""),
        (reserve, ids.reserve, ids.order),
        (notify, ids.notify, ids.reserve),
        (charge, ids.charge, ids.order),
    ]
    return {
        span_id: replace(span, trace_id=ids.trace_id, span_id=span_id, parent_id=parent_id)
        for span, span_id, parent_id in placed
    }


def _span(name: str, kind: int, ns: tuple[int, int], **more: Any) -> PlainSpan:
    given: dict[str, Any] = {"attributes": {}, "events": (), "links": (), "status": (0, "")}
    return PlainSpan(
        trace_id="",
        span_id="",
        parent_id="",
        name=name,
        kind=kind,
        start_ns=BASE_NS + ns[0],
        end_ns=BASE_NS + ns[1],
        trace_state="",
        flags=0,
        dropped=(0, 0, 0),
        resource=RESOURCE,
        scope=SCOPE,
        scope_attributes={},
        schema_urls=("", ""),
        **given | more,
    )


def common(spans: Spans) -> Spans:
    """Spans as they were kept, less what `expected` leaves open: `exception` events, the SDK's own
    resource attributes, flags, and schema_urls."""
    return {
        span_id: replace(
            span,
            events=tuple(event for event in span.events if event.name != "exception"),
            resource={key: span.resource[key] for key in RESOURCE if key in span.resource},
            flags=0,
            schema_urls=("", ""),
        )
        for span_id, span in spans.items()
    }


def exception(spans: Spans, ids: Ids) -> Attributes:
    """The attributes of the one exception, which is on `charge card`."""
    (event,) = [
        event for span in spans.values() for event in span.events if event.name == "exception"
    ]
    assert event in spans[ids.charge].events
    return event.attributes
