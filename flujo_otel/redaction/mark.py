"""What stands where a secret stood."""

from typing import Final

REDACTED: Final = "[REDACTED]"
