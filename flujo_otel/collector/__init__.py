"""OTLP in: receivers over HTTP and gRPC, and the group commit behind them."""
