"""Which file is ours, and which one is flujo's own."""

import importlib.util
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from flujo_otel.errors import SettingsError, UnsupportedUri
from flujo_otel.settings import SETTINGS, load
from flujo_otel.spanstore.kind import APPLICATION_ID, FileKind, kind_of
from flujo_otel.spanstore.location import Location, resolve

FLUJOS_TABLES = [
    f"CREATE TABLE {name} (x)" for name in ("workflow_state", "runs", "steps", "spans")
]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for setting in SETTINGS:
        monkeypatch.delenv(setting.variable, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def without_flujo(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine that has none: nothing else can be asked whether flujo is installed."""
    find = importlib.util.find_spec

    def find_others(name: str, package: str | None = None) -> ModuleSpec | None:
        return None if name == "flujo" else find(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", find_others)


def make(path: Path, *statements: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()
    return path


def make_ours(path: Path) -> Path:
    return make(path, f"PRAGMA application_id = {APPLICATION_ID}", "CREATE TABLE spans (x)")


def make_flujos(path: Path) -> Path:
    return make(path, *FLUJOS_TABLES)


class TestOurFile:
    def test_is_flujo_otel_db_in_the_working_directory_where_nothing_names_one(
        self, folder: Path
    ) -> None:
        assert resolve(load()) == Location(folder / "flujo_otel.db", None, "default")

    @pytest.mark.parametrize(
        ("text", "path"),
        [
            ("a.db", "{cwd}/a.db"),
            ("../a.db", "{cwd}/../a.db"),
            ("/somewhere/a b.db", "/somewhere/a b.db"),
            ("~/a.db", "{home}/a.db"),
            ("sqlite:///a.db", "{cwd}/a.db"),
            ("sqlite:///sub/a.db", "{cwd}/sub/a.db"),
            ("sqlite:////somewhere/a.db", "/somewhere/a.db"),
            ("sqlite://a.db", "{cwd}/a.db"),
            ("sqlite+aiosqlite:///a.db?timeout=5", "{cwd}/a.db"),
        ],
    )
    @pytest.mark.parametrize("origin", ["argument", "FLUJO_OTEL_DB"])
    def test_is_the_one_named_outright_by_path_or_uri(
        self, text: str, path: str, origin: str, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HOME", "/home/of/someone")
        monkeypatch.setenv("FLUJO_OTEL_DB", text)
        argument = text if origin == "argument" else None
        expected = Path(os.path.normpath(path.format(cwd=folder, home="/home/of/someone")))
        assert resolve(load(db=argument)) == Location(expected, None, origin)

    def test_named_in_flujo_toml_counts_from_the_tomls_folder(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (folder / "flujo.toml").write_text('[otel]\ndb = "a.db"\n', encoding="utf-8")
        inner = folder / "inner"
        inner.mkdir()
        monkeypatch.chdir(inner)
        expected = Location(folder / "a.db", None, str(folder / "flujo.toml"))
        assert resolve(load()) == expected


class TestBesideFlujosState:
    """FLUJO_STATE_URI or state_uri, which flujo itself may be writing to."""

    def test_ours_lies_beside_it_where_flujo_is_installed(self, folder: Path) -> None:
        settings = load(state_uri="sqlite:///data/ops.sqlite")
        assert resolve(settings).path == folder / "data" / "ops_otel.sqlite"

    @pytest.mark.usefixtures("without_flujo")
    def test_ours_is_that_file_where_flujo_is_not_installed(self, folder: Path) -> None:
        assert resolve(load(state_uri="sqlite:///ops.db")).path == folder / "ops.db"

    @pytest.mark.usefixtures("without_flujo")
    def test_a_file_that_flujo_wrote_is_never_ours_even_where_it_is_not_installed(
        self, folder: Path
    ) -> None:
        make_flujos(folder / "ops.db")
        expected = Location(folder / "ops_otel.db", folder / "ops.db", "argument")
        assert resolve(load(state_uri="sqlite:///ops.db")) == expected

    @pytest.mark.usefixtures("without_flujo")
    def test_a_file_that_cannot_be_looked_into_just_now_may_be_flujos(self, folder: Path) -> None:
        make_flujos(folder / "ops.db")
        with closing(sqlite3.connect(folder / "ops.db", isolation_level=None)) as holder:
            holder.execute("PRAGMA locking_mode = EXCLUSIVE")
            holder.execute("PRAGMA journal_mode = WAL")
            holder.execute("INSERT INTO runs VALUES (1)")
            assert FileKind.UNKNOWN is kind_of(folder / "ops.db")
            assert resolve(load(state_uri="sqlite:///ops.db")).path == folder / "ops_otel.db"

    def test_that_file_stays_ours_where_it_is_ours_already(self, folder: Path) -> None:
        make_ours(folder / "ops.db")
        expected = Location(folder / "ops.db", None, "argument")
        assert resolve(load(state_uri="sqlite:///ops.db")) == expected

    def test_the_variable_counts_from_the_working_directory_and_goes_before_the_toml(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (folder / "flujo.toml").write_text('state_uri = "sqlite:///t.db"\n', encoding="utf-8")
        inner = folder / "inner"
        inner.mkdir()
        monkeypatch.chdir(inner)
        assert resolve(load()).path == folder / "t_otel.db"
        monkeypatch.setenv("FLUJO_STATE_URI", "sqlite:///v.db")
        assert resolve(load()).path == inner / "v_otel.db"

    @pytest.mark.parametrize("uri", ["memory://", "mem://", ":memory:", "sqlite:///:memory:"])
    def test_state_in_memory_names_no_file_so_the_default_holds(
        self, uri: str, folder: Path
    ) -> None:
        assert resolve(load(state_uri=uri)) == Location(folder / "flujo_otel.db", None, "default")


class TestFlujosOwnFile:
    def test_is_flujo_ops_db_in_the_working_directory(self, folder: Path) -> None:
        make_flujos(folder / "flujo_ops.db")
        expected = Location(folder / "flujo_otel.db", folder / "flujo_ops.db", "default")
        assert resolve(load()) == expected

    def test_is_the_named_one_before_that(self, folder: Path) -> None:
        make_flujos(folder / "flujo_ops.db")
        make_flujos(folder / "named.db")
        assert resolve(load(state_uri="sqlite:///named.db")).flujo_path == folder / "named.db"

    def test_is_found_in_the_working_directory_too_where_the_named_one_does_not_exist(
        self, folder: Path
    ) -> None:
        make_flujos(folder / "flujo_ops.db")
        assert resolve(load(state_uri="sqlite:///no.db")).flujo_path == folder / "flujo_ops.db"

    def test_is_none_where_a_file_of_that_name_is_not_flujos(self, folder: Path) -> None:
        make(folder / "flujo_ops.db", "CREATE TABLE recipes (x)")
        assert resolve(load()).flujo_path is None

    def test_may_be_named_outright_to_be_read(self, folder: Path) -> None:
        path = make_flujos(folder / "copy.db")
        assert resolve(load(db="copy.db")) == Location(path, path, "argument")


class TestRefused:
    @pytest.mark.parametrize(
        "uri", ["postgresql://me:secret@host/db", "redis://host", "file:a.db?mode=ro"]
    )
    @pytest.mark.parametrize("name", ["db", "state_uri"])
    def test_another_scheme_with_what_to_write_instead_and_without_the_password(
        self, name: str, uri: str
    ) -> None:
        with pytest.raises(UnsupportedUri) as caught:
            resolve(load(**{name: uri}))
        text = str(caught.value)
        assert text.startswith(f"{name} is '{uri.replace('me:secret@', '')}' (argument): ")
        assert "sqlite:////absolute.db" in text

    @pytest.mark.parametrize("uri", [":memory:", "sqlite:///:memory:", "memory://"])
    def test_our_own_database_in_memory(self, uri: str) -> None:
        with pytest.raises(UnsupportedUri, match="not seen by other connections"):
            resolve(load(db=uri))

    @pytest.mark.parametrize("name", ["db", "state_uri"])
    def test_a_uri_without_a_file(self, name: str) -> None:
        with pytest.raises(UnsupportedUri, match="it names no file"):
            resolve(load(**{name: "sqlite:///"}))


class TestLooking:
    """Finding out whose a file is leaves no mark."""

    def test_tells_missing_empty_ours_flujos_and_foreign_files_apart(self, folder: Path) -> None:
        (folder / "text.db").write_text("no database at all, but long enough for a page")
        (folder / "zero.db").touch()
        (folder / "folder.db").mkdir()
        kinds = {
            make_ours(folder / "ours.db"): FileKind.OURS,
            make_flujos(folder / "flujo.db"): FileKind.FLUJO,
            make(folder / "else.db", "CREATE TABLE t (x)"): FileKind.FOREIGN,
            make(folder / "begun.db", FLUJOS_TABLES[0]): FileKind.FOREIGN,
            folder / "text.db": FileKind.FOREIGN,
            folder / "zero.db": FileKind.EMPTY,
            folder / "folder.db": FileKind.UNKNOWN,
            folder / "none.db": FileKind.MISSING,
        }
        assert {path: kind_of(path) for path in kinds} == kinds

    def test_creates_no_file_and_no_side_file(self, folder: Path) -> None:
        make(folder / "flujo_ops.db", "PRAGMA journal_mode = WAL", *FLUJOS_TABLES)
        before = {p.name: p.stat().st_mtime_ns for p in folder.iterdir()}
        assert resolve(load()).flujo_path == folder / "flujo_ops.db"
        assert {p.name: p.stat().st_mtime_ns for p in folder.iterdir()} == before

    def test_sees_what_is_only_in_a_live_writers_wal(self, folder: Path) -> None:
        with closing(sqlite3.connect(folder / "a.db")) as writer:
            writer.execute("PRAGMA journal_mode = WAL")
            for statement in FLUJOS_TABLES:
                writer.execute(statement)
            writer.commit()
            assert (folder / "a.db-wal").stat().st_size > 0
            assert kind_of(folder / "a.db") is FileKind.FLUJO

    @pytest.mark.parametrize("journal", ["WAL", "DELETE"])
    def test_drops_no_lock_that_this_process_holds_on_it(self, journal: str, folder: Path) -> None:
        path = make(folder / "a.db", f"PRAGMA journal_mode = {journal}", "CREATE TABLE t (x)")
        attempt = (
            "import sqlite3, sys\n"
            "c = sqlite3.connect(sys.argv[1], timeout=0)\n"
            "try: c.execute('BEGIN IMMEDIATE')\n"
            "except sqlite3.OperationalError as error: print(error)\n"
        )
        with closing(sqlite3.connect(path)) as holder:
            holder.execute("INSERT INTO t VALUES (1)")  # not committed: the write lock is held
            assert kind_of(path) is FileKind.FOREIGN
            other = subprocess.run(
                [sys.executable, "-c", attempt, str(path)],
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            )
            assert other.stdout.strip() == "database is locked"


@pytest.mark.parametrize("named", ["{}/otel.db", "sqlite:///{}/otel.db"])
def test_an_absolute_path_is_found_from_a_folder_that_is_gone(
    folder: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    (gone := folder / "gone").mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    settings = load(db=named.format(folder))
    assert Location(folder / "otel.db", None, "argument") == resolve(settings)


def test_a_relative_path_from_a_folder_that_is_gone_is_an_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (gone := folder / "gone").mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(SettingsError, match="does not exist any more"):
        resolve(load(db="otel.db"))
    monkeypatch.setenv("FLUJO_OTEL_CONFIG", "flujo.toml")
    with pytest.raises(SettingsError, match="does not exist any more"):
        load()
    (folder / "named.toml").write_text('[otel]\ndb = "otel.db"')
    monkeypatch.setenv("FLUJO_OTEL_CONFIG", str(folder / "named.toml"))
    assert folder / "otel.db" == resolve(load()).path
