"""What differs from library to library."""

from collections.abc import Mapping
from typing import Any


class Library:
    """What `RunProvider` asks of each of its spans; a library overrides what is otherwise there."""

    step_type: str
    """`flujo.step.type` of what a run calls first."""

    def run_name(self, span_name: str, attributes: Mapping[str, Any]) -> str:
        """Of a run that begins with this span, and of the span then."""
        return span_name

    def is_inner(self, outer: str, inner: str) -> bool:
        """Whether a run's span of the name `outer` calls the one of `inner` to do its work."""
        return False

    def is_left_out(self, name: str, value: Any, *, content: bool) -> bool:
        """Whether this attribute is not recorded."""
        return False

    def added(self, attributes: Mapping[str, Any]) -> Mapping[str, Any]:
        """What these attributes, which are set at once, say in names of ours."""
        return {}

    def found(self, attributes: Mapping[str, Any]) -> Mapping[str, Any]:
        """What the span, which ends with these attributes, found, in names of ours: like JSON."""
        return {}
