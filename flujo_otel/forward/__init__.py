"""OTLP out: destinations as cursors over the change sequence."""
