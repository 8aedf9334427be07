"""The program that tests start as a collector: stdin's first line says what `Server` is told.

    {"options": {...ServerOptions...}, "constants": {"module:NAME": value}}

It says one line when it is ready and one when it has stopped.
"""

import importlib
import json
import sys

from flujo_otel.errors import FlujoOtelError
from flujo_otel.server import STOP_SECONDS, Server, ServerOptions


def main() -> None:
    given = json.loads(sys.stdin.readline())
    for place, value in given["constants"].items():
        name, _, constant = place.partition(":")
        is_this = name == "support.collector_process"
        module = sys.modules["__main__" if is_this else importlib.import_module(name).__name__]
        assert hasattr(module, constant)
        setattr(module, constant, value)
    try:
        server = Server(ServerOptions(**given["options"]))
        server.start()
    except FlujoOtelError as error:
        _say(error=type(error).__name__, message=str(error))
        return
    _say(http=server.addresses.http, grpc=server.addresses.grpc, token=server.token)
    while not server.wait():
        pass
    _say(stopped=server.stop(STOP_SECONDS), counts=server.counts()._asdict())


def _say(**what: object) -> None:
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    main()
