"""The SQLite backend of the span store."""
