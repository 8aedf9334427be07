"""What `lens doctor` finds: each finding that is not sound says what to do."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from flujo_otel.model import Loss, Process
from flujo_otel.spanstore.api import BacklogSize
from flujo_otel.spanstore.destinations import Cursor, CursorState
from flujo_otel.spanstore.diagnosis import Diagnosis
from flujo_otel.spanstore.maintenance import Health
from flujo_otel.usage.library import is_installed
from flujo_otel_cli import amounts
from flujo_otel_cli.hint import hint
from flujo_otel_cli.service_counts import ServiceCounts, services_of
from flujo_otel_cli.text import brief, escape
from flujo_otel_cli.times import ago

_WAL_WORTH_A_WORD: Final = 64_000_000
_COLLECTORS_WAL_WORTH_A_WORD: Final = 1_000_000_000
"""Bytes of write-ahead log from which a reader seems to hold it back. `lens serve` lets it grow to
half of that at 10,000 spans a second."""
DISK_FULL_BYTES: Final = 16_000_000
DISK_LOW_BYTES: Final = 1_000_000_000
_OWN_FAULT: Final = "a fault of flujo-otel"
"""How the forwarder begins what is no fault of the destination."""
_SERVICES_SHOWN: Final = 10
_OWN_PRICE: Final = (
    "say it yourself, in USD per million tokens, for what is traced from then on: "
    """FLUJO_OTEL_PRICES='{"my-model": {"input": 0.5, "output": 2}}'"""
)
_REMEDIES: Final = {
    "queue_full": "raise FLUJO_OTEL_QUEUE_BYTES",
    "terminated": "give the program more time than 2 s: end it by SIGINT, or by sys.exit",
    "unsafe_fork": "so many children could not trace: start them with spawn; is the disk slow?",
    "rejected": "such values cannot be stored: change what the program records",
    "refused": "the database would not take them: name another with FLUJO_OTEL_DB",
    "shut_down": "shut the tracer provider down when all spans have ended",
    "sampled_out": "as sampling_rate says; those that fail are kept, but for keep_failed=False",
    "rate_limited": "raise the rate_limit of that XRay",
    "not_submitted": "look at the machine that remote_url names",
    "state_not_saved": "it has a value that cannot be read back: a killed run does that step again",
    "internal_error": "a fault of flujo-otel: FLUJO_OTEL_RAISE=1 in the program shows it",
    "refused_request": "its client does not send it again: mend what it sends, but for a 500",
    "fault": "of flujo-otel itself, the program went on: FLUJO_OTEL_RAISE=1 shows it",
    "id_reused": "all are kept; does the program seed the generator of its ids?",
    "database_replaced": "leave the file where it is while a program writes to it",
    "truncated": "raise the program's limits, as OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
    "clock_skewed": "all are kept; set that machine's clock, or end spans after they start",
    "text_not_utf8": "the bytes that are none are kept as escapes; mend what that program records",
    "metrics_not_stored": "there is no table for metrics: OTEL_METRICS_EXPORTER=none sends none",
    "logs_not_stored": "there is no table for logs: OTEL_LOGS_EXPORTER=none sends none",
}
_NOUNS: Final = {
    "sampled_out": "trace",
    "rate_limited": "trace",
    "not_submitted": "trace",
    "state_not_saved": "state",
    "database_replaced": "",
    "fault": "",
    "refused_request": "request",
    "text_not_utf8": "text",
    "metrics_not_stored": "data point",
    "logs_not_stored": "log record",
}
"""What is counted where that is not spans; "": nothing that a number would tell more of."""
_KEPT: Final = frozenset(
    {"database_replaced", "fault", "id_reused", "truncated", "clock_skewed", "sampled_out"}
    | {"state_not_saved"}
    | {"metrics_not_stored", "logs_not_stored", "text_not_utf8"}
)
"""Reasons worth knowing that cost no span."""


class Finding(NamedTuple):
    """`completed`, `warning` or `failed`; what it is about; what is to be said of it."""

    status: str
    subject: str
    text: str


def is_sound(findings: Sequence[Finding]) -> bool:
    return all(finding.status != "failed" for finding in findings)


def of_health(health: Health, db: str | None = None) -> Iterator[Finding]:
    """The file, its library, its log, its writers."""
    yield _database(health)
    yield from (Finding("completed", "sqlite", fault) for fault in health.faults)
    collects = any(writer.command == "lens serve" for writer in health.writers)
    if health.wal_bytes > (_COLLECTORS_WAL_WORTH_A_WORD if collects else _WAL_WORTH_A_WORD):
        size = amounts.size(health.wal_bytes)
        text = f"the write-ahead log has {size}: close readers that stay open"
        yield Finding("warning", "log", text)
    yield Finding("completed", "writers", _named(health.writers) or "none just now")
    if health.backlog.spans:
        yield _backlog(health.backlog, db)


def _backlog(backlog: BacklogSize, db: str | None) -> Finding:
    """Some of it a busy collector always has."""
    said = f"{amounts.plural(backlog.spans, 'span')} stored as they came, to be unpacked"
    if backlog.elsewhere is not None:
        text = (
            f"{said}; {_named([backlog.elsewhere])}, which took them, writes to another file: "
            f"this is a copy. {hint('list', db=db)} unpacks them here"
        )
        return Finding("warning", "backlog", text)
    if backlog.attendant is None:
        text = f"{said}; the lens serve that took them is gone: {hint('list', db=db)} unpacks them"
        return Finding("warning", "backlog", text)
    return Finding("completed", "backlog", f"{said} by {_named([backlog.attendant])}")


def of_diagnosis(diagnosis: Diagnosis, health: Health, db: str | None = None) -> Iterator[Finding]:
    """Whether it takes writes, the disk, what came in, spans without their parents. `db`: what was
    named with --db, which the commands to copy name too."""
    if diagnosis.obstacle:
        yield _obstacle(diagnosis.obstacle, health)
    yield from _disk(diagnosis.free_bytes, db)
    services = [s for s in services_of(diagnosis, health.losses) if s.received or s.dropped]
    yield from (Finding("completed", "received", _flow(s)) for s in services[:_SERVICES_SHOWN])
    if len(services) > _SERVICES_SHOWN:
        more = amounts.plural(len(services) - _SERVICES_SHOWN, "more service")
        yield Finding("completed", "received", f"{more}: --json has all")
    for name, spans in diagnosis.orphans:
        yield Finding(
            "warning",
            "orphaned",
            f"{amounts.plural(spans, 'span')} of {brief(name) or 'a service without a name'}"
            f" (of the newest {diagnosis.orphans_among:,}) without their parent: it is not over "
            "yet, or its program was killed or sends elsewhere; send that one's spans here too",
        )
    if diagnosis.unpriced:
        yield _unpriced(diagnosis.unpriced)


def _unpriced(calls: int) -> Finding:
    said = f"{amounts.plural(calls, 'model call')} with tokens and no known cost"
    if is_installed():
        return Finding("completed", "prices", f"{said}: {_OWN_PRICE}")
    remedy = "pip install 'flujo-otel[prices]' prices what is traced from then on"
    return Finding("warning", "prices", f"{said}: {remedy}")


def of_losses(health: Health, now_ns: int) -> Iterator[Finding]:
    """The ledger."""
    for loss in health.losses:
        lost = ("failed", "lost") if _is_lost(loss) else ("warning", "ledger")
        yield Finding(*lost, _loss(loss, now_ns))
    # Of a damaged file nobody can say so.
    if health.integrity in ("ok", "") and not any(map(_is_lost, health.losses)):
        yield Finding("completed", "lost", "nothing")


def of_destination(cursor: Cursor, now_ns: int, path: str, db: str | None = None) -> Finding:
    """One destination of forwarding: how far behind, and why. `path`: the database's; `db`: what
    was named with --db, if anything."""
    called = brief(cursor.destination, 60)
    said = f"{called}  {amounts.lag(cursor)} behind, {cursor.sent:,} sent"
    if cursor.state is CursorState.PAUSED:
        return Finding(
            "failed",
            "forwarding",
            f"{said}, paused: {_last_error(cursor, now_ns)}. It refuses what we send to "
            f"{escape(cursor.endpoint)}: mend its address, token or headers; nothing is lost",
        )
    if cursor.state is CursorState.RETRYING and cursor.holder is not None:
        text = f"{said}, retrying: {_last_error(cursor, now_ns)}. "
        remedy = _remedy_here(cursor, path) or f"Is it up at {escape(cursor.endpoint)}?"
        return Finding("warning", "forwarding", f"{text}{remedy} Nothing is lost")
    if cursor.lag and cursor.holder is None:
        serve = hint("serve", "--forward", cursor.destination, db=db)
        forget = hint("forward", "--forget", cursor.destination, db=db)
        text = f"{said}; nobody forwards just now: {serve}; or, where it is not used any more, "
        text += forget
        if cursor.state is CursorState.RETRYING:
            text += f". The last try: {_last_error(cursor, now_ns)}"
        return Finding("warning", "forwarding", text)
    if cursor.rejected:
        words = f"{cursor.rejected:,} rejected by it: {brief(cursor.rejection, 200)}"
        return Finding("warning", "forwarding", f"{said}, {words}")
    return Finding("completed", "forwarding", said)


def _remedy_here(cursor: Cursor, path: str) -> str:
    """What to do where it is not the destination that keeps spans from being sent."""
    if cursor.error.startswith(_OWN_FAULT):
        return "FLUJO_OTEL_RAISE=1 in the program that sends shows it; ending it lets another send."
    if path in cursor.error:
        return "It is this database that cannot be read: see above."
    return ""


def of_server(said: dict[str, Any], path: str) -> Finding:
    """The `lens serve` that answers where SDKs send to by default; `said`: its /healthz."""
    who = f"lens serve on {escape(str(said['address']))} (pid {escape(str(said.get('pid', '?')))})"
    theirs = said.get("database")
    if theirs is not None and str(theirs) != path:
        text = f"{who} stores in {escape(str(theirs))}: what is sent there is not here"
        return Finding("warning", "server", f"{text}; --db names it")
    state = str(said.get("state", "ok"))
    if state != "ok":
        return Finding("failed", "server", f"{who} cannot store: {brief(state, 300)}")
    if theirs is None:
        text = f"{who} tells only who has its token where it stores: here, or in another file"
        return Finding("warning", "server", text)
    return Finding("completed", "server", who)


def _database(health: Health) -> Finding:
    facts = [
        escape(health.path),
        amounts.size(health.size_bytes + health.wal_bytes),
        f"schema {health.schema_version}",
        amounts.plural(health.run_count, "run"),
        amounts.plural(health.span_count, "span"),
        f"change {health.change_seq:,}",
    ]
    if health.integrity in ("ok", ""):
        facts.append("integrity ok" if health.integrity else "integrity not checked")
        return Finding("completed", "database", ", ".join(facts))
    fault = f"damaged: {escape(health.integrity)}. Keep a copy, then: sqlite3 FILE .recover"
    return Finding("failed", "database", ", ".join([*facts, fault]))


def _obstacle(obstacle: str, health: Health) -> Finding:
    writers = _named(health.writers)
    if "readonly" in obstacle:
        text = "this user may not write to it: programs that it runs are not traced into it"
        return Finding("warning", "read-only", text)
    if "locked" in obstacle or "checkpoint" in obstacle:
        who = f"{writers} or another program" if writers else "some other program"
        text = f"{who} holds it: spans wait in memory meanwhile. Let it go on, or end it"
        return Finding("failed", "locked", f"{escape(obstacle)}: {text}")
    return Finding("failed", "writing", f"{escape(obstacle)}: spans wait in memory meanwhile")


def _disk(free_bytes: int, db: str | None) -> Iterator[Finding]:
    free = f"{amounts.size(free_bytes)} free"
    if free_bytes < DISK_FULL_BYTES:
        text = (
            f"full, {free}: programs keep spans in memory, then drop the newest; lens serve has "
            "senders try again. Make room"
        )
        yield Finding("failed", "disk", text)
    elif free_bytes < DISK_LOW_BYTES:
        delete = hint("delete", "--before", "30d", db=db)
        text = f"{free}: make room before it is full; {delete} takes old runs out"
        yield Finding("warning", "disk", text)


def _flow(service: ServiceCounts) -> str:
    of = brief(service.service) or "a service without a name"
    counts = {
        "sent again": service.unchanged,
        "rejected": service.rejected.total(),
        "dropped by it": service.dropped.total(),
    }
    more = "".join(f", {count:,} {what}" for what, count in counts.items() if count)
    return f"{amounts.plural(service.received, 'span')} of {of}: {service.stored:,} stored{more}"


def _is_lost(loss: Loss) -> bool:
    return loss.reason not in _KEPT


def _loss(loss: Loss, now_ns: int) -> str:
    when = ago(loss.last_time_ns, now_ns)
    detail = f" ({brief(loss.detail)})" if loss.detail else ""
    remedy = f"; {_REMEDIES[loss.reason]}" if loss.reason in _REMEDIES else ""
    noun = _NOUNS.get(loss.reason, "span")
    number = f"{amounts.plural(loss.count, noun)} " if noun else ""
    of = f"{number}of {brief(loss.service) or 'a service without a name'}"
    return f"{of}, {when}: {escape(loss.reason.replace('_', ' '))}{detail}{remedy}"


def _last_error(cursor: Cursor, now_ns: int) -> str:
    when = f" ({ago(cursor.error_at_ns, now_ns)})" if cursor.error_at_ns else ""
    return f"{brief(cursor.error).rstrip('.')}{when}"


def _named(writers: Sequence[Process]) -> str:
    return ", ".join(f"{escape(writer.command)} (pid {writer.pid})" for writer in writers)
