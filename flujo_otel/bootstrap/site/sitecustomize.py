"""Run by Python at its start, under `lens run`: OpenTelemetry's set-up, then the user's own one.

This may be the Python of another environment, which has neither OpenTelemetry nor flujo-otel.
"""

import gc
import logging
import os
import signal
import sys
from importlib.machinery import PathFinder
from importlib.metadata import PackageNotFoundError, version
from importlib.util import module_from_spec

_HERE = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120


def _trace() -> None:
    try:
        from opentelemetry.instrumentation.auto_instrumentation import initialize

        import flujo_otel  # noqa: F401
    except ImportError:
        _say(f"{sys.executable} has no flujo-otel: not traced; pip install flujo-otel there")
        return
    try:
        import opentelemetry.sdk.trace  # noqa: F401
    except Exception as error:  # a name that is gone is not always an ImportError
        _say(f"not traced: {_versions()} do not go together ({error}); see pip check")
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
    # What was imported for this stays. On 3.11 the program's first full collection would else look
    # through all of it, 25 to 90 ms with many instrumentations, in the midst of some span.
    gc.freeze()


def _say(what: str) -> None:
    sys.stderr.write(f"flujo-otel: {what}\n")


def _versions() -> str:
    """Each instrumentation wants one API, and the SDK wants the one of its own release."""
    return " and ".join(map(_release, ("opentelemetry-api", "opentelemetry-sdk")))


def _release(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"no {package}"


def _end_interrupted() -> None:
    """As a program that has not begun: Python would tell of a fatal error in its own set-up."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.raise_signal(signal.SIGINT)


def _is_news(record: logging.LogRecord) -> bool:
    """`lens run` asks for our configurator alone; that others are not loaded is no news."""
    message = record.getMessage()
    return not (message.startswith("Configuration of ") and " not loaded" in message)


def _run_users_own() -> None:
    others = [p for p in sys.path if os.path.abspath(p) != _HERE]  # noqa: PTH100
    spec = PathFinder.find_spec("sitecustomize", others)
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(module_from_spec(spec))


try:
    _trace()
except KeyboardInterrupt:
    _end_interrupted()
_run_users_own()
