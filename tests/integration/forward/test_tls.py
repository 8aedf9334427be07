"""TLS: the backend's certificate is held against the authorities, and ours is shown."""

import ssl
import subprocess
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from flujo_otel.errors import SettingsError
from flujo_otel.forward.choice import destinations
from flujo_otel.forward.dispatch import Dispatch
from flujo_otel.settings import load
from flujo_otel.spanstore.destinations import CursorState
from flujo_otel.spanstore.factory import open_destinations
from integration.forward.conftest import cursor
from support.backends import HttpBackend
from support.sent_spans import names, some, store

KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, and a server's and a client's certificate of it."""
    folder = tmp_path_factory.mktemp("tls")
    use = ("-addext", "keyUsage=critical,keyCertSign")
    openssl(
        folder,
        *("req", "-x509", *KEY, "-keyout", "ca.key", "-out", "ca.pem"),
        *("-subj", "/CN=authority", *use),
    )
    (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    for name in ("server", "client"):
        openssl(
            folder,
            *("req", *KEY, "-keyout", f"{name}.key", "-out", f"{name}.csr"),
            *("-subj", f"/CN={name}"),
        )
        openssl(
            folder,
            *("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem"),
            *("-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names"),
            *("-out", f"{name}.pem"),
        )
    return folder


@pytest.fixture
def secure(certificates: Path, backend: HttpBackend) -> str:
    """The URL of a backend that asks for the client's certificate."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=certificates / "ca.pem")
    context.load_cert_chain(certificates / "server.pem", certificates / "server.key")
    context.verify_mode = ssl.CERT_REQUIRED
    assert backend._server is not None
    backend._server.socket = context.wrap_socket(backend._server.socket, server_side=True)
    return f"https://localhost:{backend.port}"


@pytest.fixture
def secure_grpc(certificates: Path) -> Iterator[tuple[str, list[ExportTraceServiceRequest]]]:
    taken: list[ExportTraceServiceRequest] = []

    def export(body: bytes, _: grpc.ServicerContext) -> bytes:
        taken.append(ExportTraceServiceRequest.FromString(body))
        return b""

    server = grpc.server(futures.ThreadPoolExecutor(1))
    method = grpc.unary_unary_rpc_method_handler(export)
    service = "opentelemetry.proto.collector.trace.v1.TraceService"
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(service, {"Export": method}),)
    )
    pair = [(certificates / f"server.{kind}").read_bytes() for kind in ("key", "pem")]
    authority = (certificates / "ca.pem").read_bytes()
    credentials = grpc.ssl_server_credentials([tuple(pair)], authority, require_client_auth=True)
    port = server.add_secure_port("localhost:0", credentials)
    server.start()
    yield f"grpcs://localhost:{port}", taken
    server.stop(None).wait()


def dispatch_to(db: Path, endpoint: str, certificates: Path, **keys: str) -> Dispatch:
    lines = [f'{key} = "{certificates / file}"\n' for key, file in keys.items()]
    (db.parent / "flujo.toml").write_text(
        f'[forward.secure]\nendpoint = "{endpoint}"\n{"".join(lines)}'
    )
    [destination] = destinations(None, load(db=str(db)))
    one = Dispatch(destination, open_destinations(db))
    one.work()
    return one


ALL = {
    "certificate": "ca.pem",
    "client_certificate": "client.pem",
    "client_key": "client.key",
}


def test_both_certificates(db: Path, secure: str, certificates: Path, backend: HttpBackend) -> None:
    one = dispatch_to(db, secure, certificates, **ALL)
    store(db, *some(3))
    one.work()
    one.finish()
    assert names(3) == backend.taken.names


@pytest.mark.parametrize("left_out", ["certificate", "client_certificate"])
def test_nothing_is_sent_where_either_is_missing(
    db: Path, secure: str, certificates: Path, backend: HttpBackend, left_out: str
) -> None:
    given = {key: file for key, file in ALL.items() if not key.startswith(left_out)}
    if left_out == "client_certificate":
        del given["client_key"]
    one = dispatch_to(db, secure, certificates, **given)
    store(db, *some(3))
    one.work()
    assert (CursorState.RETRYING, 0, 3) == (cursor(db).state, cursor(db).sent, cursor(db).lag)
    assert 0 == backend.seen
    one.finish()


def test_over_grpc(
    db: Path, secure_grpc: tuple[str, list[ExportTraceServiceRequest]], certificates: Path
) -> None:
    url, taken = secure_grpc
    one = dispatch_to(db, url, certificates, **ALL)
    store(db, *some(3))
    one.work()
    one.finish()
    assert 3 == cursor(db).sent, cursor(db)
    assert 1 == len(taken)


@pytest.mark.parametrize("scheme", ["https", "grpcs"])
def test_a_file_that_is_no_certificate_is_refused(
    db: Path, certificates: Path, scheme: str
) -> None:
    (db.parent / "bad.pem").write_text("no certificate")
    keys = {"certificate": str(db.parent / "bad.pem")}
    with pytest.raises(SettingsError, match="TLS files of the destination secure"):
        dispatch_to(db, f"{scheme}://localhost:1", certificates, **keys)


@pytest.mark.parametrize("way", ["http", "grpc"])
def test_certificate_and_key_in_one_file(
    db: Path,
    secure: str,
    secure_grpc: tuple[str, list[ExportTraceServiceRequest]],
    certificates: Path,
    way: str,
) -> None:
    """gRPC ended the whole process where it was given a certificate and no key."""
    both = db.parent / "both.pem"
    parts = [(certificates / f"client.{kind}").read_text() for kind in ("pem", "key")]
    both.write_text("".join(parts))
    keys = {"certificate": "ca.pem", "client_certificate": str(both)}
    one = dispatch_to(db, {"http": secure, "grpc": secure_grpc[0]}[way], certificates, **keys)
    store(db, *some(3))
    one.work()
    one.finish()
    assert 3 == cursor(db).sent, cursor(db)


@pytest.mark.parametrize("scheme", ["https", "grpcs"])
def test_a_key_without_its_certificate_is_refused(
    db: Path, certificates: Path, scheme: str
) -> None:
    keys = {"client_key": "client.key"}
    with pytest.raises(SettingsError, match="secure has a client's key without its certificate"):
        dispatch_to(db, f"{scheme}://localhost:1", certificates, **keys)


def test_no_password_is_asked_for_on_the_terminal(db: Path, certificates: Path) -> None:
    """There, a traced program stood still with OpenSSL's "Enter PEM pass phrase:"."""
    encrypted = db.parent / "encrypted.key"
    openssl(
        certificates,
        *("pkcs8", "-topk8", "-in", "client.key", "-out", str(encrypted)),
        *("-passout", "pass:secret", "-v2", "aes256"),
    )
    keys = {"client_certificate": "client.pem", "client_key": str(encrypted)}
    with pytest.raises(SettingsError, match="key of the destination secure is encrypted"):
        dispatch_to(db, "https://localhost:1", certificates, **keys)
