"""Every setting: argument > environment > the nearest flujo.toml upwards > default."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from flujo_otel.errors import SettingsError
from flujo_otel.settings import SETTINGS, Settings, load

EXAMPLES: dict[str, tuple[Any, str, Any]] = {
    # name: (in toml and as an argument, as a variable, what both mean)
    "db": ("a.db", "a.db", "a.db"),
    "state_uri": ("sqlite:///a.db", "sqlite:///a.db", "sqlite:///a.db"),
    "flush_interval_seconds": (2, "2", 2.0),
    "queue_bytes": (1_048_576, "1_048_576", 1_048_576),
    "durable": ("full", "FULL", "full"),
    "content": (False, "off", False),
    "value_limit_bytes": (100, "100", 100),
    "replace_default_backend": (True, "1", True),
    "token": ("s3cret", "s3cret", "s3cret"),
    "max_request_bytes": (2048, "2_048", 2048),
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for setting in SETTINGS:
        monkeypatch.delenv(setting.variable, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_toml(folder: Path, name: str, value: object) -> Path:
    text = str(value).lower() if isinstance(value, bool | int) else f'"{value}"'
    table = "" if name == "state_uri" else "[otel]\n"
    path = folder / "flujo.toml"
    path.write_text(f"{table}{name} = {text}\n", encoding="utf-8")
    return path


def test_every_field_but_tables_toml_and_origins_is_a_setting_with_an_example_here() -> None:
    names = {field.name for field in fields(Settings)} - {
        "toml",
        "forward",
        "redaction",
        "prices",
        "origins",
    }
    assert {setting.name for setting in SETTINGS} == names
    assert set(EXAMPLES) == names


@pytest.mark.parametrize("token", ["sécret", "s3cret tok", "s3cret\n"])
def test_a_token_that_cannot_be_used_is_not_shown(
    token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = r"^token cannot be used \({}\); it must be printable ASCII without spaces\.$"
    with pytest.raises(SettingsError, match=said.format("argument")):
        load(token=token)
    monkeypatch.setenv("FLUJO_OTEL_TOKEN", token)
    with pytest.raises(SettingsError, match=said.format("FLUJO_OTEL_TOKEN")):
        load()


def test_with_nothing_given_the_defaults_hold() -> None:
    assert load() == Settings()
    assert load().origin("db") == "default"


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda s: s.name)
class TestEachSetting:
    def test_is_read_from_flujo_toml(self, setting: Any, folder: Path) -> None:
        in_toml, _, meant = EXAMPLES[setting.name]
        path = write_toml(folder, setting.name, in_toml)
        settings = load()
        assert (getattr(settings, setting.name), settings.origin(setting.name)) == (
            meant,
            str(path),
        )

    def test_is_read_from_its_variable_before_flujo_toml(
        self, setting: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        in_toml, variable, meant = EXAMPLES[setting.name]
        other = {"db": "o.db", "state_uri": "sqlite:///o.db", "durable": "normal"}
        write_toml(folder, setting.name, other.get(setting.name, in_toml))
        monkeypatch.setenv(setting.variable, variable)
        settings = load()
        assert (getattr(settings, setting.name), settings.origin(setting.name)) == (
            meant,
            setting.variable,
        )

    def test_is_taken_from_the_argument_before_its_variable(
        self, setting: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        argument, _, meant = EXAMPLES[setting.name]
        monkeypatch.setenv(setting.variable, "not looked at")
        settings = load(**{setting.name: argument})
        assert (getattr(settings, setting.name), settings.origin(setting.name)) == (
            meant,
            "argument",
        )

    def test_an_empty_variable_and_the_argument_none_count_as_not_given(
        self, setting: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(setting.variable, "")
        assert load(**{setting.name: None}) == Settings()

    def test_a_value_of_the_wrong_kind_is_refused_by_name_origin_and_what_it_may_be(
        self, setting: Any, folder: Path
    ) -> None:
        table = "" if setting.name == "state_uri" else "[otel]\n"
        path = folder / "flujo.toml"
        path.write_text(f"{table}{setting.name} = [1]\n", encoding="utf-8")
        with pytest.raises(SettingsError) as caught:
            load()
        said = "cannot be used" if setting.is_secret else "is [1]"
        assert str(caught.value) == (
            f"{setting.name} {said} ({path}); it must be {setting.may_be}."
        )


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("FLUJO_OTEL_FLUSH_INTERVAL", "0"),
        ("FLUJO_OTEL_FLUSH_INTERVAL", "nan"),
        ("FLUJO_OTEL_FLUSH_INTERVAL", "soon"),
        ("FLUJO_OTEL_QUEUE_BYTES", "-1"),
        ("FLUJO_OTEL_QUEUE_BYTES", "64 MiB"),
        ("FLUJO_OTEL_VALUE_LIMIT_BYTES", "1.5"),
        ("FLUJO_OTEL_DURABLE", "very"),
        ("FLUJO_OTEL_CONTENT", "maybe"),
        ("FLUJO_OTEL_TOKEN", "two words"),
        ("FLUJO_OTEL_MAX_REQUEST_BYTES", "0"),
    ],
)
def test_a_variable_out_of_its_range_is_refused(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=variable):
        load()


def test_the_nearest_flujo_toml_upwards_is_the_one_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_toml(folder, "db", "far.db")
    near = folder / "near"
    inner = near / "a" / "b"
    inner.mkdir(parents=True)
    write_toml(near, "db", "near.db")
    monkeypatch.chdir(inner)
    assert (load().db, load().toml) == ("near.db", near / "flujo.toml")


def test_a_relative_path_counts_from_the_toml_or_from_the_working_directory(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_toml(folder, "state_uri", "sqlite:///a.db")
    inner = folder / "inner"
    inner.mkdir()
    monkeypatch.chdir(inner)
    assert load().folder("state_uri") == folder
    monkeypatch.setenv("FLUJO_STATE_URI", "sqlite:///b.db")
    assert load().folder("state_uri") == inner


def test_flujo_toml_that_is_not_toml_is_refused_by_name(folder: Path) -> None:
    (folder / "flujo.toml").write_text("[otel", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"flujo\.toml cannot be read"):
        load()


def test_an_unknown_key_of_the_otel_table_is_refused_with_the_known_ones(folder: Path) -> None:
    write_toml(folder, "flush_intervall", 2)
    with pytest.raises(SettingsError, match=r"No setting 'flush_intervall'.*flush_interval_sec"):
        load()


def test_other_tables_and_keys_of_flujo_toml_are_flujos_and_left_alone(folder: Path) -> None:
    text = 'anything = 1\n[settings]\nmax_iters = 3\n[solve]\nscorer = "x"\n'
    (folder / "flujo.toml").write_text(text, encoding="utf-8")
    assert load() == Settings(toml=folder / "flujo.toml")


def test_state_uri_under_the_otel_table_is_refused_rather_than_not_seen(folder: Path) -> None:
    (folder / "flujo.toml").write_text('[otel]\nstate_uri = "sqlite:///a.db"\n', encoding="utf-8")
    with pytest.raises(SettingsError, match="belongs at the top"):
        load()


def test_a_path_object_names_the_database_as_its_text_does(folder: Path) -> None:
    assert load(db=folder / "x.db").db == str(folder / "x.db")
