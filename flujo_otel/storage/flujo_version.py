"""Which flujo reads what we answer."""

from functools import cache
from importlib.metadata import PackageNotFoundError, version


@cache
def speaks_06() -> bool:
    """Whether the flujo that is installed is 0.5 or newer. Looked up without importing it."""
    try:
        major, minor = version("flujo").split(".")[:2]
        return (int(major), int(minor)) >= (0, 5)
    except (PackageNotFoundError, ValueError):
        return False
