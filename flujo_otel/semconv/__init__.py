"""Attribute names. Nothing but constants: `flujo`, `gen_ai`, `openinference`."""
