"""Between the wire, the SDK and the store: OTLP messages and SDK spans to records."""
