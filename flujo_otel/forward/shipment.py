"""One page on its way: sent whole, or in halves where the backend finds it too large."""

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from flujo_otel.errors import StoreError
from flujo_otel.forward.answer import Answer, Verdict
from flujo_otel.forward.request import encode
from flujo_otel.forward.sender import Sender
from flujo_otel.spanstore.destinations import DestinationStore, DuePage, DueSpan, Progress


class Sent(NamedTuple):
    """What one request came to. `progress` None: nothing is settled by it."""

    answer: Answer
    progress: Progress | None


class Shipment:
    """The spans of `page` in their order, so that what is settled is always a position."""

    def __init__(self, page: DuePage, sender: Sender) -> None:
        self._chunks = deque([page.spans] if page.spans else ())
        self._position = page.position
        self._sender = sender

    @property
    def is_done(self) -> bool:
        """Whether all of the page is settled."""
        return not self._chunks

    def load(self, store: DestinationStore) -> bytes:
        """The next request; empty where nothing in it can be sent. Raises what the store raises."""
        while True:
            spans = self._chunks[0]
            try:
                return encode(spans, store.resource, store.scope)
            except StoreError:
                raise
            except Exception as error:
                # A row that something else than us wrote into: the others need not wait for it.
                if len(spans) > 1:
                    self._halve(spans)
                else:
                    fault = f"it cannot be sent: {type(error).__name__}: {error}"
                    self._chunks[0] = [spans[0]._replace(fault=fault)]

    def send(self, body: bytes, timeout_seconds: float) -> Sent:
        """Send what `load` gave."""
        answer = self._sender.send(body, timeout_seconds) if body else Answer(Verdict.TAKEN)
        spans = self._chunks[0]
        if answer.verdict is Verdict.TAKEN:
            return Sent(answer, self._settled(spans, answer.rejected, answer.words))
        if answer.verdict is Verdict.TOO_LARGE and len(spans) > 1:
            self._halve(spans)
            return Sent(answer, None)
        if answer.verdict in (Verdict.REFUSED, Verdict.TOO_LARGE):
            return Sent(answer, self._settled(spans, len(spans), answer.words))
        return Sent(answer, None)

    def _halve(self, spans: Sequence[DueSpan]) -> None:
        self._chunks.popleft()
        middle = len(spans) // 2
        self._chunks.extendleft((spans[middle:], spans[:middle]))

    def _settled(self, spans: Sequence[DueSpan], rejected: int, words: str) -> Progress:
        """`rejected`: of those that were sent; what has a fault counts as rejected too."""
        self._chunks.popleft()
        position = spans[-1].seq if self._chunks else self._position
        faults = [span.fault for span in spans if span.fault]
        rejected = min(rejected, len(spans) - len(faults))
        if faults and not rejected:
            words = faults[-1]
        rejected += len(faults)
        return Progress(position, len(spans) - rejected, rejected, words)
