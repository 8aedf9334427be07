"""Real programs at both ends: what sends us spans, and what we send them on to (docs/peers.md)."""
