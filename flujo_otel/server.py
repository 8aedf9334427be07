"""Wires `lens serve`."""
