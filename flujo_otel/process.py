"""Which process this is, and whether another one is still alive."""

import os
import sys
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from flujo_otel.model.process import Process

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def current() -> Process:
    """This process. Cheap after its first call in a process; right in a forked child too."""
    return _process(os.getpid())


def is_alive(known: Process) -> bool:
    """Whether that process still runs. True where that cannot be known, as on another host."""
    if known.host != _host() or not known.process_start:
        return True
    start = _process_start(known.pid)
    if start is not None:
        return start == known.process_start
    return _may_exist(known.pid)


def may_have_open(known: Process, path: Path) -> bool:
    """Whether that process, which is alive, has this file open: a copy of a database names the
    writers of its original. True where that cannot be known: without /proc, or of another user."""
    try:
        wanted = path.stat()
        opened = list(Path(f"/proc/{known.pid}/fd").iterdir())
    except OSError:
        return True
    for each in opened:
        with suppress(OSError):  # closed meanwhile
            # Not opened: to close it again would drop SQLite's locks where that process is ours.
            if os.path.samestat(each.stat(), wanted):
                return True
    return False


@lru_cache(maxsize=1)
def _process(pid: int) -> Process:
    return Process(
        host=_host(),
        pid=pid,
        process_start=_process_start(pid) or "",
        command=_command(),
    )


def _host() -> str:
    if sys.platform != "win32":
        return os.uname().nodename
    import socket

    return socket.gethostname()


def _command() -> str:
    """The program's name alone: arguments may hold secrets."""
    program = Path(sys.argv[0] if sys.argv else "")
    if program.name == "__main__.py":
        return f"python -m {program.parent.name}"
    if program.name in ("", "-c", "-m"):
        return f"python {program.name}".strip()
    if program.name == "lens" and sys.argv[1:] and sys.argv[1].isalpha():
        return f"lens {sys.argv[1]}"
    return program.name


def _process_start(pid: int) -> str | None:
    """The start as the system words it; None: no such process, ended, or not to be found out."""
    if sys.platform == "linux":
        return _start_of_proc(pid)
    return _start_of_ps(pid)


def _start_of_proc(pid: int) -> str | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
        boot = _BOOT_ID.read_text().strip()
    except OSError:
        return None
    # The command, in parentheses, may itself hold spaces and parentheses.
    fields = stat[stat.rindex(b")") + 2 :].split()
    if fields[0] in (b"Z", b"X"):
        return ""
    # Field 22 of the line, in ticks since the boot: hence the boot's id beside it.
    return f"{boot}:{fields[19].decode()}"


def _start_of_ps(pid: int) -> str | None:
    import subprocess  # not on Linux, nor where no process is asked after

    try:
        answer = subprocess.run(
            ["ps", "-o", "lstart=", "-p", str(pid)],
            env={**os.environ, "LC_ALL": "C", "TZ": "UTC"},
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip() or None


def _may_exist(pid: int) -> bool:
    if os.name != "posix":  # there, signal 0 ends the process
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass  # another user's, whose /proc may be hidden from us
    return True
