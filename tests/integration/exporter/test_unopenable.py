"""A database that cannot be made: said with its path and cause, and nobody waits for it."""

import sys
from pathlib import Path

import pytest

from support.programs import PRELUDE, losses, names, run

NOBODY_WAITS = """
from flujo_otel_exporter import writer
writer.EXIT_SECONDS = 1000  # longer than a program may take here
"""


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "spans.db"


def messages(errors: str) -> list[str]:
    return [line for line in errors.splitlines() if line.startswith("flujo-otel:")]


@pytest.mark.parametrize(
    ("shutdown", "count", "lost"), [("", 3, "3 spans"), ("provider.shutdown()", 1, "1 span")]
)
def test_a_short_programs_end_says_how_many_spans_are_lost_where_and_why(
    db: Path, shutdown: str, count: int, lost: str
) -> None:
    source = f"""
        provider = traced("/proc/nope/x.db")
        spans(provider.get_tracer("t"), {count})
        {shutdown}
    """
    _, errors = run(db, source, prelude=PRELUDE + NOBODY_WAITS)
    assert messages(errors)[-1] == (
        f"flujo-otel: the process ends with {lost} unwritten: /proc/nope/x.db cannot be opened for"
        " writing: [Errno 2] No such file or directory: '/proc/nope'."
    )


def test_a_long_program_is_told_once_at_the_first_failed_write(db: Path) -> None:
    source = f"""
        provider = traced({str(db.parent)!r})
        tracer = provider.get_tracer("t")
        for _ in range(3):
            spans(tracer, 1)
            assert not provider.force_flush(1_000_000)
    """
    _, errors = run(db, source, prelude=PRELUDE + NOBODY_WAITS)
    cause = f"{db.parent} cannot be opened for writing: unable to open database file."
    assert messages(errors) == [
        f"flujo-otel: spans cannot be stored: {cause}",
        f"flujo-otel: the process ends with 3 spans unwritten: {cause}",
    ]


def test_where_it_can_be_made_later_what_was_held_is_written(db: Path) -> None:
    source = """
        blocked = os.path.join(os.path.dirname(os.environ["FLUJO_OTEL_DB"]), "folder")
        open(blocked, "w").close()
        provider = traced(os.path.join(blocked, "spans.db"))
        spans(provider.get_tracer("t"), 3)
        assert not provider.force_flush()
        os.remove(blocked)
        assert provider.force_flush()
    """
    run(db, source)
    assert names(db.parent / "folder" / "spans.db") == {"span": 3}


@pytest.mark.skipif(sys.platform == "win32", reason="it has no such limit")
def test_a_program_that_is_out_of_files_loses_nothing_once_it_has_some_again(db: Path) -> None:
    source = """
        import resource

        provider = traced()
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (50, hard))
        files = []
        try:
            while True:
                files.append(open(os.devnull))
        except OSError:
            pass
        spans(provider.get_tracer("t"), 3)
        flushed = provider.force_flush(1000)
        for file in files:
            file.close()
        assert not flushed
        assert provider.force_flush()
    """
    run(db, source)
    assert names(db) == {"span": 3}
    assert losses(db) == {}
