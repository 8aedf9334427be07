"""[forward.NAME] in flujo.toml."""

import re
from pathlib import Path
from typing import Any

import pytest

from flujo_otel import settings
from flujo_otel.errors import SettingsError
from flujo_otel.forward.choice import destinations
from flujo_otel.forward.destination import Compression, Destination, OTLPProtocol
from flujo_otel.forward.table import FILTERS, KEYS, of_table
from flujo_otel.spanstore.destinations import Filter
from flujo_otel.wire.transport import Signal

PAGE = Path(__file__).parents[3] / "docs" / "forward.md"


def table(**given: Any) -> Destination:
    return of_table("t", {"endpoint": "http://h:1", **given}, Path("/x/flujo.toml"))


def test_a_whole_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ca.pem").touch()
    (tmp_path / "flujo.toml").write_text(
        """
        [forward.tempo]
        endpoint = "https://tempo:4317"
        protocol = "grpc"
        headers = { X-Scope = "team", authorization = "Bearer s3cr3t" }
        compression = "gzip"
        certificate = "ca.pem"
        timeout_seconds = 2.5
        filter = { services = ["shop"], names = "checkout*", statuses = ["failed"] }

        [forward.jaeger]
        endpoint = "http://jaeger:4318"
        """
    )
    tempo, jaeger = destinations(None, settings.load())
    assert tempo == Destination(
        "tempo",
        "https://tempo:4317",
        OTLPProtocol.GRPC,
        {"x-scope": "team", "authorization": "Bearer s3cr3t"},
        Compression.GZIP,
        certificate=tmp_path / "ca.pem",
        timeout_seconds=2.5,
        where=Filter(("shop",), ("checkout*",), ("failed",)),
    )
    assert ("jaeger", "http://jaeger:4318/v1/traces") == (jaeger.name, jaeger.endpoint)
    assert "s3cr3t" not in repr(tempo) + repr(settings.load())


def test_a_name_on_the_command_line_picks_a_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flujo.toml").write_text(
        '[forward.a]\nendpoint = "http://a"\n[forward.b]\nendpoint = "http://b"\n'
    )
    chosen = destinations(["b", "http://c:1", "b"], settings.load())
    assert ["b", "http://c:1"] == [each.name for each in chosen]
    with pytest.raises(SettingsError, match=r"'d'.*there: a, b"):
        destinations(["d"], settings.load())


def test_an_exact_endpoint() -> None:
    exact = of_table("t", {"traces_endpoint": "http://h/odd"}, Path("flujo.toml"))
    assert "http://h/odd" == exact.endpoint
    for path in ("odd", "v1/traces"):
        exact = of_table("t", {"traces_endpoint": f"http://h/{path}"}, Path("flujo.toml"))
        assert exact.endpoint_for(Signal.METRICS) is None
    beside = of_table("t", {"endpoint": "http://h/base/"}, Path("flujo.toml"))
    assert "http://h/base/v1/metrics" == beside.endpoint_for(Signal.METRICS)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"endpoint": 3}, "endpoint"),
        ({"endpoint": "h"}, "no endpoint"),
        ({"protocol": "http/json"}, "protocol"),
        ({"headers": "a=b"}, "headers"),
        ({"headers": {"a": 1}}, "headers"),
        ({"headers": {"a": "s3cr3t\n"}}, "headers"),
        ({"headers": {"a b": "s3cr3t"}}, "headers"),
        ({"compression": "zstd"}, "compression"),
        ({"certificate": "nowhere.pem"}, "certificate"),
        ({"insecure": "yes"}, "insecure"),
        ({"timeout_seconds": 0}, "timeout_seconds"),
        ({"timeout_seconds": "soon"}, "timeout_seconds"),
        ({"timeout_seconds": True}, "timeout_seconds"),
        ({"filter": "x"}, "filter"),
        ({"filter": {"service": "x"}}, "services, names, statuses"),
        ({"filter": {"names": 3}}, "names"),
        ({"filter": {"statuses": ["running"]}}, "running"),
        ({"endpiont": "http://h"}, "endpiont"),
    ],
)
def test_what_cannot_be_used_is_refused_by_its_key_and_place(
    given: dict[str, Any], named: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        table(**given)
    assert named in str(refused.value)
    assert "[forward.t] in /x/flujo.toml" in str(refused.value)
    assert "s3cr3t" not in str(refused.value)


def test_a_table_needs_an_endpoint() -> None:
    with pytest.raises(SettingsError, match="has no endpoint"):
        of_table("t", {}, Path("flujo.toml"))
    with pytest.raises(SettingsError, match="must be a table"):
        of_table("t", "http://h", Path("flujo.toml"))


def test_forward_must_hold_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flujo.toml").write_text('forward = "http://h"\n')
    with pytest.raises(SettingsError, match=r"\[forward.NAME\]"):
        settings.load()


def test_every_key_is_documented() -> None:
    page = PAGE.read_text(encoding="utf-8")
    documented = set(re.findall(r"^\| `(\w+)`", page, re.MULTILINE))
    assert {*KEYS, *FILTERS} == documented
