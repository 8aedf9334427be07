"""The `lens` command: parses and renders, nothing else."""
