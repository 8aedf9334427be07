"""What model calls used and what that cost (docs/usage.md).

Nothing is imported here: who reads tokens (`tokens`) does without the prices (`cost`).
"""
