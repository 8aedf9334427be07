"""Keeps secrets out of what is recorded (docs/redaction.md).

Producers call it on everything they record before it leaves their hands: attributes, events, links,
exception texts, inputs, outputs, contexts.
"""

from flujo_otel.redaction.mark import REDACTED
from flujo_otel.redaction.options import OPTIONS, Options, options_of
from flujo_otel.redaction.process import redactor, settle, use
from flujo_otel.redaction.redactor import MARGIN, Redactor

__all__ = [
    "MARGIN",
    "OPTIONS",
    "REDACTED",
    "Options",
    "Redactor",
    "options_of",
    "redactor",
    "settle",
    "use",
]
