"""Which destinations a program or server sends to, by what it was told."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from flujo_otel.errors import SettingsError
from flujo_otel.forward import environment
from flujo_otel.forward.circle import is_own
from flujo_otel.forward.destination import Destination, OTLPProtocol
from flujo_otel.forward.endpoint import endpoint_of
from flujo_otel.forward.table import of_table
from flujo_otel.settings import TOML_NAME, Settings
from flujo_otel.wire.transport import TRACES_PATH

Address = tuple[str, int]


def destinations(
    given: Sequence[str] | None,
    settings: Settings,
    own: Iterable[Address] = (),
    *,
    where: str = "--forward",
) -> list[Destination]:
    """The destinations that `given` words: URLs, names of [forward.NAME] tables, `env`; None: every
    table of flujo.toml. `own`: host and port of each listener of ours.

    Raises SettingsError for what cannot be used, and for a destination that is our own listener.
    """
    words = list(settings.forward) if given is None else given
    chosen = {each.name: each for each in (_of_word(word, settings, where) for word in words)}
    for destination in chosen.values():
        if is_own(destination, own):
            name, shown = destination.name, destination.shown
            called = name if "://" in name else f"{shown} ({name})"
            raise SettingsError(
                f"{called} is this very server: spans would go "
                "round in a circle. Name the backend behind it."
            )
    return list(chosen.values())


def _of_word(word: str, settings: Settings, where: str) -> Destination:
    if word == environment.NAME:
        return environment.of_environment()
    if "://" in word:
        return _of_url(word, where)
    if word in settings.forward:
        return of_table(word, settings.forward[word], settings.toml or Path(TOML_NAME))
    known = ", ".join(settings.forward) or "none"
    raise SettingsError(
        f"No destination {word!r} ({where}): name a URL like http://host:4318 or grpc://host:4317, "
        f"{environment.NAME} for the OTEL_EXPORTER_OTLP_* variables, or a [forward.NAME] of "
        f"flujo.toml (there: {known})."
    )


def _of_url(text: str, where: str) -> Destination:
    endpoint = endpoint_of(text, where)
    destination = Destination("", endpoint.url, endpoint.protocol, endpoint.headers)
    name = destination.shown.removesuffix(TRACES_PATH)
    if endpoint.protocol is OTLPProtocol.GRPC:
        name = name.replace("http", "grpc", 1)
    return Destination(name, endpoint.url, endpoint.protocol, endpoint.headers)
