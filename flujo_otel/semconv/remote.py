"""What OpenTelemetry's conventions say of a call to something else: HTTP, a database, RPC, a queue.
Of several names, the current one and its older spellings, the first that is there counts.
"""

from typing import Final

HTTP_METHOD: Final = ("http.request.method", "http.method")
HTTP_STATUS: Final = ("http.response.status_code", "http.status_code")
HTTP_URL: Final = ("url.full", "http.url", "http.target", "url.path", "http.route")
"""What was asked for: the most telling first, and a route, which many requests share, last."""

ASGI_EVENT_TYPE: Final = "asgi.event.type"
"""Of a span that opentelemetry-instrumentation-asgi makes of one message."""

DB_SYSTEM: Final = ("db.system.name", "db.system")
DB_QUERY: Final = ("db.query.text", "db.statement", "db.query.summary")
DB_OPERATION: Final = ("db.operation.name", "db.operation")
DB_COLLECTION: Final = ("db.collection.name", "db.sql.table")
DB_STATUS: Final = ("db.response.status_code",)

RPC_SERVICE: Final = ("rpc.service",)
RPC_METHOD: Final = ("rpc.method",)
RPC_STATUS: Final = ("rpc.response.status_code", "rpc.grpc.status_code")

MESSAGING_SYSTEM: Final = ("messaging.system",)
MESSAGING_DESTINATION: Final = ("messaging.destination.name", "messaging.destination")
