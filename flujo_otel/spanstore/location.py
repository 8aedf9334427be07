"""Which file is ours, and which one is flujo's own (docs/database.md).

We never write to a file that flujo itself writes: it deletes other people's spans of a run,
replaces run rows, and renames a database away that it finds locked.
"""

import importlib.util
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from flujo_otel.errors import SettingsError, UnsupportedUri
from flujo_otel.settings import Settings, working_directory
from flujo_otel.spanstore.kind import FileKind, kind_of

DEFAULT_NAME = "flujo_otel.db"
FLUJO_NAME = "flujo_ops.db"
SUFFIX_BESIDE = "_otel"

# What flujo takes for "keep nothing on disk": it names no file, so it says nothing of ours.
_MEMORY_SCHEMES = frozenset({"memory", "mem", "inmemory"})


class Location(NamedTuple):
    """Where spans are kept."""

    path: Path
    """Our database, absolute; it may not exist yet."""
    flujo_path: Path | None
    """flujo's own database where there is one; read-only for us."""
    origin: str
    """What named it: `argument`, a variable, the path of a flujo.toml, or `default`."""


def resolve(settings: Settings) -> Location:
    """The same answer for whoever writes and whoever reads. Creates nothing.

    Raises UnsupportedUri where a setting names no file that SQLite can open.
    """
    path, state, origin = _named(settings)
    # flujo 0.4's runner does not heed FLUJO_STATE_URI: its runs are in the working directory even
    # where another file is named.
    candidates = [path, state]
    with suppress(SettingsError):  # it is gone
        candidates.append(working_directory() / FLUJO_NAME)
    flujo = next((p for p in candidates if p and kind_of(p) is FileKind.FLUJO), None)
    return Location(path, flujo, origin)


def path_of(settings: Settings) -> Path:
    """Our database alone. Where `db` names it, nothing is looked into, as in a forked child nothing
    may be: a thread that it has not got may have held what SQLite waits for. Raises as `resolve`.
    """
    path, _, _ = _named(settings)
    return path


def _named(settings: Settings) -> tuple[Path, Path | None, str]:
    """Our database, what flujo was given, and what named ours."""
    if settings.db is not None:
        named = _file_of(settings.db, "db", settings)
        if named is None:
            raise UnsupportedUri(
                f"db is {settings.db!r} ({settings.origin('db')}): a database in memory is not "
                "seen by other connections or processes. Name a file."
            )
        return named, _named_by_state_uri(settings), settings.origin("db")
    state = _named_by_state_uri(settings)
    if state is not None:
        return _ours_for(state), state, settings.origin("state_uri")
    return working_directory() / DEFAULT_NAME, None, "default"


def _ours_for(state: Path) -> Path:
    """Our file where `state` is the one that flujo was given."""
    kind = kind_of(state)
    if kind is FileKind.OURS:
        return state
    if kind in (FileKind.FLUJO, FileKind.UNKNOWN) or _is_flujo_installed():
        return state.with_name(f"{state.stem}{SUFFIX_BESIDE}{state.suffix}")
    return state


def _is_flujo_installed() -> bool:
    try:
        spec = importlib.util.find_spec("flujo")
    except (ImportError, ValueError):
        return False
    # A folder that happens to be called flujo is a namespace package, without an origin.
    return spec is not None and spec.origin is not None


def _named_by_state_uri(settings: Settings) -> Path | None:
    if settings.state_uri is None:
        return None
    return _file_of(settings.state_uri, "state_uri", settings)


def _file_of(text: str, name: str, settings: Settings) -> Path | None:
    """The file that a path or URI names; None: one in memory."""
    if text == ":memory:":
        return None
    if "://" not in text and not text.startswith(("sqlite:", "file:")):
        return _absolute(os.path.expanduser(text), name, settings)  # noqa: PTH111 -- an unknown ~user is a name
    from urllib.parse import urlsplit  # a plain path does without

    parts = urlsplit(text)
    scheme = parts.scheme.partition("+")[0]
    if scheme in _MEMORY_SCHEMES:
        return None
    if scheme != "sqlite":
        raise UnsupportedUri(
            f"{name} is {_without_password(text)!r} ({settings.origin(name)}): only SQLite files "
            "are spoken here, sqlite:///relative.db or sqlite:////absolute.db. "
            "Set FLUJO_OTEL_DB to a file for the traces."
        )
    # sqlite:///a.db is relative and sqlite:////a.db absolute; sqlite://a.db is what flujo allows.
    path = parts.netloc + parts.path if parts.netloc else parts.path.removeprefix("/")
    if not path:
        raise UnsupportedUri(
            f"{name} is {text!r} ({settings.origin(name)}): it names no file; "
            "write sqlite:///relative.db or sqlite:////absolute.db."
        )
    return None if path == ":memory:" else _absolute(path, name, settings)


def _absolute(path: str, name: str, settings: Settings) -> Path:
    # The working directory may be gone by now, which is no matter to an absolute path.
    folder = Path() if os.path.isabs(path) else settings.folder(name)  # noqa: PTH117 -- as below
    return Path(os.path.abspath(folder / path))  # noqa: PTH100 -- shown as it was named


def _without_password(uri: str) -> str:
    return re.sub(r"//[^/@]*@", "//", uri)
