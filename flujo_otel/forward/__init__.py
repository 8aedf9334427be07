"""OTLP out: destinations as cursors over the change sequence.

chosen = destinations(["http://jaeger:4318"], settings, own=[("127.0.0.1", 4318)])
forwarders = Forwarders(chosen, open_destinations)
forwarders.start()
forwarders.statuses()
forwarders.stop(timeout_seconds=5)
"""
