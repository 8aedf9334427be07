"""`lens serve`: receivers, the group commit behind them, destinations. Prints nothing.

server = Server(ServerOptions(db="flujo_otel.db", http_port=0))
server.start()
while not server.wait(1.0):  # True once SIGINT or SIGTERM came
    draw(server.counts())
server.stop()

`wiring` says which parts there are and how they hang together; `lifecycle` starts and stops them.
"""

from flujo_otel.server.lifecycle import STOP_SECONDS, Server
from flujo_otel.server.options import ServerOptions
from flujo_otel.server.report import Addresses, Counts

__all__ = ["STOP_SECONDS", "Addresses", "Counts", "Server", "ServerOptions"]
