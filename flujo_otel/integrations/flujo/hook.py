"""The object that goes into `Flujo(hooks=[...])`."""

import inspect
from collections.abc import Callable
from typing import Any, ClassVar


class Hook:
    """Hands each payload to `handle`.

    Its empty signature keeps flujo from reading its annotations anew for every event, which takes
    longer than all that the hook does (17 us).
    """

    __signature__: ClassVar = inspect.Signature()

    def __init__(self, handle: Callable[[Any], None]) -> None:
        self._handle = handle

    async def __call__(self, payload: object) -> None:
        self._handle(payload)
