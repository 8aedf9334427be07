"""flujo's own database, read-only: the layouts of its versions 0.4 and 0.6."""
