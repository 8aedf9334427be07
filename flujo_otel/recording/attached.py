"""Making a context the current one, for code that may be left in any order and by any task."""

from typing import Final

from opentelemetry.context import Context, attach, create_key, get_current, get_value, set_value

_KEY: Final = create_key("flujo-otel-attached")


class Attached:
    """Makes `context` the current one, until `undo`.

    The context before is set back instead of a token reset: a generator may be closed in another
    task than the one that started it, where resetting logs an error.
    """

    __slots__ = ("_before",)

    def __init__(self, context: Context) -> None:
        self._before: Context = get_current()
        attach(set_value(_KEY, self, context))

    def undo(self) -> None:
        """Put back what was, if this is where it was set: whatever the code that ran meanwhile has
        left attached goes with it."""
        if get_value(_KEY) is self:
            attach(self._before)
