"""Whether spans can be stored: who asks while another tries is not kept waiting."""

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from flujo_otel.errors import StoreUnavailable
from flujo_otel.server import Server, ServerOptions, store_state
from support.fake_store import FakeStore

SOON = 20.0
LOCKED = StoreUnavailable("locked")


class Probed(FakeStore):
    """Its beat waits until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.go = threading.Event(), threading.Event()

    def beat(self) -> None:
        self.begun.set()
        assert self.go.wait(SOON)


def test_while_one_thread_tries_the_database_others_get_what_was_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(store_state, "_PROBE_SECONDS", -1.0)
    store = Probed()
    commit: Any = SimpleNamespace(unavailable=LOCKED)
    state = store_state.StoreState(commit, lambda: store, LOCKED)
    commit.unavailable = None
    found: list[object] = []
    trying = threading.Thread(target=lambda: found.append(state.now()))
    trying.start()
    assert store.begun.wait(SOON)
    asking = threading.Thread(target=lambda: found.append(state.now()))
    asking.start()
    asking.join(SOON / 4)
    assert [LOCKED] == found
    store.go.set()
    trying.join(SOON)
    assert [LOCKED, None] == found


def test_whether_it_can_be_opened_is_known_though_the_working_directory_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (gone := tmp_path / "gone").mkdir()
    monkeypatch.chdir(gone)
    server = Server(ServerOptions(db="../otel.db"))
    gone.rmdir()
    assert store_state.trouble_of(server._open_store) is None
    assert (tmp_path / "otel.db").exists()
