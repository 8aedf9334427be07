"""What is said where not all that is stored can be shown yet."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flujo_otel.model import Process
from flujo_otel.spanstore.api import BacklogSize
from flujo_otel_cli import backlog
from flujo_otel_cli.backlog import settled

AT_IT = Process(host="here", pid=77, process_start="then", command="lens list")


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "_WAIT_SECONDS", 0.1)


class Reader:
    """Sees these sizes one after the other, then the last again and again."""

    def __init__(self, *sizes: BacklogSize) -> None:
        self._sizes = self._each(sizes)
        self.asked: list[int | None] = []

    def backlog(self, until_id: int | None = None) -> BacklogSize:
        self.asked.append(until_id)
        return next(self._sizes)

    def _each(self, sizes: tuple[BacklogSize, ...]) -> Iterator[BacklogSize]:
        yield from sizes
        while True:
            yield sizes[-1]


def said(db: Path, *sizes: BacklogSize) -> str | None:
    reader: Any = Reader(*sizes)
    return settled(reader, str(db), json=True)


def test_nothing_is_said_where_nothing_is_left(tmp_path: Path) -> None:
    assert said(tmp_path / "a.db", BacklogSize()) is None
    assert said(tmp_path / "a.db", BacklogSize(1, 5, AT_IT), BacklogSize()) is None


def test_what_comes_meanwhile_is_not_waited_for(tmp_path: Path) -> None:
    reader: Any = Reader(BacklogSize(1, 5, AT_IT, latest_id=7), BacklogSize())
    settled(reader, str(tmp_path / "a.db"), json=True)
    assert [None, 7] == reader.asked


def test_who_is_at_it_is_said_also_where_it_was_quicker_than_this_command(tmp_path: Path) -> None:
    expected = "5 more spans came in and are being unpacked by lens list (pid 77)"
    assert expected == said(tmp_path / "a.db", BacklogSize(1, 5, AT_IT))
    assert expected == said(tmp_path / "a.db", BacklogSize(1, 9), BacklogSize(1, 5, AT_IT))


def test_nobody_is_said_to_be_at_it_who_was_killed_meanwhile(tmp_path: Path) -> None:
    assert "1 more span came in and is not unpacked: ask again" == said(
        tmp_path / "a.db", BacklogSize(1, 5, AT_IT), BacklogSize(1, 1)
    )
