"""What the runs of a callback hang under where LangChain knows no parent."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from opentelemetry.context import Context, get_current
from opentelemetry.trace import Span, set_span_in_context

if TYPE_CHECKING:
    from flujo_otel.xray.block import Block


class Anchor(Protocol):
    """Where a chain belongs that nothing of LangChain is around."""

    def context(self) -> Context | None:
        """The context to begin it in; None: the current one."""
        ...


class Wherever:
    """Under the span that is current where the chain begins, or as a run of its own."""

    def context(self) -> Context | None:
        return None


class Under:
    """Under one span."""

    def __init__(self, span: Span) -> None:
        self._span = span

    def context(self) -> Context | None:
        return set_span_in_context(self._span, get_current())


class InBlock:
    """In an X-Ray trace or step: where that is not around the running code, right below it."""

    def __init__(self, block: "Block") -> None:
        self._block = block

    def context(self) -> Context | None:
        from flujo_otel.xray.block import current_block

        if not self._block.is_open or self._is_around(current_block()):
            return None
        return self._block.context()

    def _is_around(self, block: "Block | None") -> bool:
        while block is not None and block is not self._block:
            block = block.owner
        return block is not None


def anchor_of(given: Any, on_end: Callable[[], None]) -> Anchor:
    """`given` as XRayLangChainCallback takes it; `on_end`: called at the end of a trace or step.

    Raises TypeError for anything else.
    """
    if given is None:
        return Wherever()
    if isinstance(given, Span):
        return Under(given)
    # Whoever has a trace has loaded the SDK; whoever has none need not.
    from flujo_otel.xray.block import Block

    if isinstance(given, Block):
        given.on_end(on_end)
        return InBlock(given)
    raise TypeError(
        "XRayLangChainCallback takes an open X-Ray trace or step, or a span, not a"
        f' {type(given).__name__}: with xray.trace("name") as trace: XRayLangChainCallback(trace)'
    )
