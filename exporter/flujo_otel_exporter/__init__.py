"""The SpanExporter and the live SpanProcessor: from the OpenTelemetry SDK into the span store."""
