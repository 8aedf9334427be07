"""What a Python program needs in its environment to be traced with no line of it changed."""

import os
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from flujo_otel import settings
from flujo_otel.errors import MissingExtra

_SITE: Final = "opentelemetry.instrumentation.auto_instrumentation"
_OUR_SITE: Final = Path(__file__).with_name("site")
CONFIGURATOR: Final = "OTEL_PYTHON_CONFIGURATOR"
OURS: Final = "flujo"

_UNLESS_SET: Final = {
    "OTEL_PYTHON_ID_GENERATOR": OURS,
    # Our live processor is not in these lists; a distro that is installed fills them with OTLP.
    "OTEL_TRACES_EXPORTER": "none",
    "OTEL_METRICS_EXPORTER": "none",
    "OTEL_LOGS_EXPORTER": "none",
}


def child_environment(environ: Mapping[str, str], db: str | Path | None = None) -> dict[str, str]:
    """`environ` with what traces a child process into `db` (None: what the settings name).

    The child runs our `sitecustomize`, which has OpenTelemetry load our configurator and every
    instrumentation that is installed. Variables of OpenTelemetry's that are set are kept. Raises
    MissingExtra where opentelemetry-instrumentation is not installed, and SettingsError for
    settings of this process, which the child would have to refuse: said here, it is said once.
    """
    from flujo_otel.spanstore.location import resolve  # which looks into files: it loads sqlite3

    resolve(settings.load(db=db))
    child = {**_UNLESS_SET, **environ, CONFIGURATOR: OURS}
    ours = (str(_OUR_SITE), _site())
    others = [p for p in environ.get("PYTHONPATH", "").split(os.pathsep) if p and p not in ours]
    child["PYTHONPATH"] = os.pathsep.join([str(_OUR_SITE), *others])
    if db is not None:
        # A URI is given on as it is; a path counts from here, wherever the child goes.
        child["FLUJO_OTEL_DB"] = str(db) if "://" in str(db) else str(Path(db).absolute())
    return child


def _site() -> str:
    """The folder of OpenTelemetry's sitecustomize, found without loading it."""
    try:
        spec = find_spec(_SITE)
    except ModuleNotFoundError:
        spec = None
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtra(
            "Tracing a program with no line changed needs opentelemetry-instrumentation: "
            "pip install opentelemetry-instrumentation"
        )
    return next(iter(spec.submodule_search_locations))
