"""Run by Python at its start, under `lens run`: OpenTelemetry's set-up, then the user's own one.

This may be the Python of another environment, which has neither OpenTelemetry nor flujo-otel.
"""

import logging
import os
import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec

_HERE = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120


def _trace() -> None:
    try:
        from opentelemetry.instrumentation.auto_instrumentation import initialize

        import flujo_otel  # noqa: F401
    except ImportError:
        sys.stderr.write(
            f"flujo-otel: {sys.executable} has no flujo-otel: not traced;"
            " pip install flujo-otel there\n"
        )
        return
    path = os.environ.get("PYTHONPATH", "")
    # A Python started by the set-up itself would set up again, and so on without end.
    os.environ["PYTHONPATH"] = os.pathsep.join(p for p in path.split(os.pathsep) if p != _HERE)
    loading = logging.getLogger("opentelemetry.instrumentation.auto_instrumentation._load")
    loading.addFilter(_is_news)
    try:
        initialize()
    finally:
        loading.removeFilter(_is_news)
        os.environ["PYTHONPATH"] = path


def _is_news(record: logging.LogRecord) -> bool:
    """`lens run` asks for our configurator alone; that others are not loaded is no news."""
    message = record.getMessage()
    return not (message.startswith("Configuration of ") and " not loaded" in message)


def _run_users_own() -> None:
    others = [p for p in sys.path if os.path.abspath(p) != _HERE]  # noqa: PTH100
    spec = PathFinder.find_spec("sitecustomize", others)
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(module_from_spec(spec))


_trace()
_run_users_own()
