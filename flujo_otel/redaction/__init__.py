"""Keeps secrets out of what is recorded (docs/redaction.md).

Producers call it on everything they record before it leaves their hands: attributes, events, links,
exception texts, inputs, outputs, contexts.

    table, process -> redactor      what the settings say; the doors, by which all comes in
        data          by names      keys: naming, vocabulary; evidence, schemas
                      by neighbours fields (beside), neighbours (before)
                      by looks      looks.cards, text
        text          clean         Memory: nothing to redact was found before
                      in its turn   named_in_text, validation, commands, looks (needles first)
                      as it is JSON documents, data
        own           rules of whoever runs the program, after ours
        faults        of ours: what was to be read goes as a whole
"""

from flujo_otel.redaction.mark import REDACTED
from flujo_otel.redaction.process import redactor, settle, use
from flujo_otel.redaction.redactor import MARGIN, Redactor
from flujo_otel.redaction.table import OPTIONS, Options, options_of

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
