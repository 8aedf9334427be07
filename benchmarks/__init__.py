"""Figures of flujo-otel: each script measures against a floor or a peer in the same run."""
