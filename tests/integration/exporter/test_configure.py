"""The ways in: one line, no line at all, and a provider that is there already."""

import os
import subprocess
import sys
import textwrap
from importlib.util import find_spec
from pathlib import Path

import pytest

from flujo_otel.bootstrap import child_environment
from support.programs import environment, names, query, run, write_program

CONFIGURED = """
import os, sys
import flujo_otel
from opentelemetry import trace
"""
APPLICATION = """
import sqlite3, threading
from opentelemetry import trace

tracer = trace.get_tracer("app")
with tracer.start_as_current_span("root"):
    connection = sqlite3.connect(":memory:")
    cursor = connection.cursor()
    cursor.execute("SELECT 1")
    thread = threading.Thread(target=lambda: tracer.start_span("in a thread").end())
    thread.start()
    thread.join()
"""
APPLICATION_NAMES = {"SELECT": 1, "in a thread": 1, "root": 1}
OTHERS_OFF = {"OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "spans.db"


def configured(db: Path, source: str, **variables: str) -> str:
    return run(db, source, prelude=CONFIGURED, **variables)[0]


def service_names(db: Path) -> list[str]:
    statement = "SELECT json_extract(attributes, '$.\"service.name\"') FROM resources"
    return [name for (name,) in query(db, statement)]


def test_one_line_traces_a_program(db: Path) -> None:
    configured(db, "flujo_otel.configure()\ntrace.get_tracer('t').start_span('span').end()")
    assert names(db) == {"span": 1}


def test_the_argument_names_the_database(db: Path) -> None:
    source = "flujo_otel.configure('other.db')\ntrace.get_tracer('t').start_span('span').end()"
    configured(db, source)
    assert names(db.with_name("other.db")) == {"span": 1}
    assert not db.exists()


def test_called_twice_it_traces_once(db: Path) -> None:
    source = """
        flujo_otel.configure()
        provider = trace.get_tracer_provider()
        flujo_otel.configure()
        assert trace.get_tracer_provider() is provider
        print(len(provider._active_span_processor._span_processors))
    """
    assert configured(db, source) == "1\n"


def test_called_by_many_threads_at_once_it_traces_once_and_warns_of_nothing(db: Path) -> None:
    source = """
        import threading
        start = threading.Barrier(8)
        work = lambda: (start.wait(), flujo_otel.configure())
        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        provider = trace.get_tracer_provider()
        print(len(provider._active_span_processor._span_processors))
    """
    assert ("1\n", "") == run(db, source, prelude=CONFIGURED)


def test_a_provider_that_is_there_is_joined_and_keeps_its_ids(db: Path) -> None:
    source = """
        from opentelemetry.sdk.trace import TracerProvider
        mine = TracerProvider()
        ids = mine.id_generator
        trace.set_tracer_provider(mine)
        flujo_otel.configure()
        assert trace.get_tracer_provider() is mine
        assert mine.id_generator is ids
        mine.get_tracer("t").start_span("span").end()
    """
    configured(db, source)
    assert names(db) == {"span": 1}


def test_a_provider_of_ours_makes_time_ordered_ids(db: Path) -> None:
    source = """
        flujo_otel.configure()
        print(type(trace.get_tracer_provider().id_generator).__name__)
    """
    assert configured(db, source) == "TimeOrderedIdGenerator\n"


def test_otel_sdk_disabled_leaves_everything_as_it_was(db: Path) -> None:
    source = """
        flujo_otel.configure()
        print(type(trace.get_tracer_provider()).__name__)
    """
    assert configured(db, source, OTEL_SDK_DISABLED="true") == "ProxyTracerProvider\n"
    assert not db.exists()


def test_the_environment_names_the_service_and_the_sampler(db: Path) -> None:
    source = """
        flujo_otel.configure()
        print(trace.get_tracer_provider().sampler.get_description())
        trace.get_tracer("t").start_span("span").end()
    """
    output = configured(db, source, OTEL_SERVICE_NAME="mine", OTEL_TRACES_SAMPLER="always_on")
    assert output == "AlwaysOnSampler\n"
    assert service_names(db) == ["mine"]


def test_what_the_sampler_drops_is_not_written(db: Path) -> None:
    source = "flujo_otel.configure()\ntrace.get_tracer('t').start_span('span').end()"
    configured(db, source, OTEL_TRACES_SAMPLER="always_off")
    assert not db.exists()


def test_the_argument_names_the_service_before_the_environment(db: Path) -> None:
    source = """
        flujo_otel.configure(service_name="argument")
        trace.get_tracer("t").start_span("span").end()
    """
    configured(db, source, OTEL_SERVICE_NAME="variable")
    assert service_names(db) == ["argument"]


def test_a_name_that_comes_too_late_is_said_to(db: Path) -> None:
    source = """
        import logging, sys
        logging.basicConfig(stream=sys.stdout, format="%(message)s")
        flujo_otel.configure()
        for name in ("variable", "argument"):
            flujo_otel.configure(service_name=name)
        trace.get_tracer("t").start_span("span").end()
    """
    [line] = configured(db, source, OTEL_SERVICE_NAME="variable").splitlines()
    assert "configure(service_name='argument') comes too late" in line
    assert "of the service 'variable'" in line
    assert service_names(db) == ["variable"]


def test_otel_traces_exporter_names_exporters_beside_ours(db: Path) -> None:
    source = "flujo_otel.configure()\ntrace.get_tracer('t').start_span('span').end()"
    assert '"name": "span"' in configured(db, source, OTEL_TRACES_EXPORTER="console,flujo")
    assert names(db) == {"span": 1}


MISSING = {
    "OTEL_TRACES_EXPORTER": "otlp_of_old,nonsense",
    "OTEL_PYTHON_ID_GENERATOR": "unknown",
    "OTEL_TRACES_SAMPLER": "odd",
}
WARNINGS = [
    "flujo-otel: the exporter 'otlp_of_old' of OTEL_TRACES_EXPORTER cannot be used (not installed:"
    " pip install opentelemetry-exporter-otlp); tracing goes on without it",
    "flujo-otel: the exporter 'nonsense' of OTEL_TRACES_EXPORTER cannot be used (no package that is"
    " installed here brings it); tracing goes on without it",
    "flujo-otel: the id generator 'unknown' of OTEL_PYTHON_ID_GENERATOR cannot be used (Requested"
    " component 'unknown' not found in entry point 'opentelemetry_id_generator'); tracing goes on"
    " without it",
]


def test_what_is_not_installed_is_warned_of_and_tracing_goes_on(db: Path) -> None:
    source = "flujo_otel.configure()\ntrace.get_tracer('t').start_span('span').end()"
    _, errors = run(db, source, prelude=CONFIGURED, **MISSING)
    ours = [line for line in errors.splitlines() if line.startswith("flujo-otel")]
    assert sorted(ours) == sorted(WARNINGS)
    assert "sampler, odd" in errors
    assert "Traceback" not in errors
    assert names(db) == {"span": 1}


def test_a_configuration_that_the_sdk_fails_on_is_warned_of_and_tracing_goes_on(db: Path) -> None:
    source = "from opentelemetry import trace\ntrace.get_tracer('t').start_span('span').end()"
    _, errors = run_traced(db, source, OTEL_CONFIG_FILE="nowhere.yaml", FLUJO_OTEL_RAISE="")
    assert errors.count("flujo-otel: the SDK's own configuration failed") == 1
    assert "Traceback" not in errors
    assert names(db) == {"span": 1}


def test_with_no_line_changed_the_same_is_warned_of(db: Path) -> None:
    source = "from opentelemetry import trace\ntrace.get_tracer('t').start_span('span').end()"
    _, errors = run_traced(db, source, **MISSING, OTEL_METRICS_EXPORTER="nonsense")
    ours = [line for line in errors.splitlines() if line.startswith("flujo-otel")]
    metrics = WARNINGS[1].replace("TRACES", "METRICS")
    assert sorted(ours) == sorted([*WARNINGS, metrics])
    assert "Traceback" not in errors
    assert names(db) == {"span": 1}


def test_a_database_of_an_unknown_kind_is_a_clear_error(db: Path) -> None:
    source = "flujo_otel.configure('mysql://somewhere/spans')"
    _, errors = run(db, source, prelude=CONFIGURED, status=1)
    assert "UnsupportedUri" in errors


@pytest.mark.parametrize(
    "variable", ["OTEL_ATTRIBUTE_COUNT_LIMIT", "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT"]
)
def test_a_limit_that_is_none_is_a_clear_error(db: Path, variable: str) -> None:
    """One is read by a provider, the other when the SDK is loaded."""
    source = """
        from flujo_otel.errors import SettingsError
        try:
            flujo_otel.configure()
        except SettingsError as error:
            print(error)
    """
    said = configured(db, source, **{variable: "-5"})
    assert f"{variable} must be a non-negative integer but got -5" in said


def test_a_child_environment_traces_a_program_with_no_line_changed(db: Path) -> None:
    """Three instrumentations are at work in it; none of them sees the store's own statements."""
    traced = child_environment(environment(db), db)
    program = write_program(db.parent, APPLICATION, prelude="")
    subprocess.run([sys.executable, str(program)], env=traced, check=True, timeout=60)
    assert names(db) == APPLICATION_NAMES


def test_a_child_environment_shows_what_runs(db: Path) -> None:
    program = write_program(
        db.parent,
        """
        import os, time
        from opentelemetry import trace
        span = trace.get_tracer("app").start_span("open")
        time.sleep(0.6)
        os._exit(0)
        """,
        prelude="",
    )
    traced = child_environment(environment(db), db)
    subprocess.run([sys.executable, str(program)], env=traced, check=True, timeout=60)
    assert names(db, "running") == {"open": 1}


def test_a_child_environment_and_configure_in_the_program_trace_once(db: Path) -> None:
    source = """
        import flujo_otel
        flujo_otel.configure()
        from opentelemetry import trace
        print(len(trace.get_tracer_provider()._active_span_processor._span_processors))
    """
    program = write_program(db.parent, source, prelude="")
    traced = child_environment(environment(db), db)
    done = subprocess.run(
        [sys.executable, str(program)],
        env=traced,
        check=True,
        timeout=60,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "1\n"


OWN_PROVIDER = """
import sqlite3
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

exporter = InMemorySpanExporter()
mine = TracerProvider(resource=Resource.create({"service.name": "mine"}))
mine.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(mine)
assert trace.get_tracer_provider() is mine
with trace.get_tracer("app").start_as_current_span("root"):
    sqlite3.connect(":memory:").cursor().execute("SELECT 1")
print(*[span.name for span in exporter.get_finished_spans()])
"""


def run_traced(db: Path, source: str, status: int = 0, **variables: str) -> tuple[str, str]:
    """A program's output and errors, traced with no line of it changed."""
    program = write_program(db.parent, source, prelude="")
    done = subprocess.run(
        [sys.executable, str(program)],
        env=child_environment(environment(db, **variables), db),
        check=False,
        timeout=60,
        capture_output=True,
        text=True,
    )
    assert status == done.returncode, done.stderr
    return done.stdout, done.stderr


def test_a_provider_that_the_program_sets_itself_takes_the_place_of_ours(db: Path) -> None:
    """Its exporters get every span, an instrumentation's too; so do we, under its name."""
    output, errors = run_traced(db, OWN_PROVIDER)
    assert output == "SELECT root\n"
    assert "Overriding" not in errors
    assert names(db) == {"SELECT": 1, "root": 1}
    assert service_names(db) == ["mine"]


def test_a_second_provider_that_the_program_sets_is_refused_as_ever(db: Path) -> None:
    source = """
        trace.set_tracer_provider(TracerProvider())
        assert trace.get_tracer_provider() is mine
    """
    _, errors = run_traced(db, OWN_PROVIDER + textwrap.dedent(source))
    assert errors.count("Overriding of current TracerProvider is not allowed") == 1


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("FLUJO_STATE_URI", "postgres://x", "Set FLUJO_OTEL_DB to a file for the traces."),
        ("FLUJO_OTEL_DURABLE", "odd", "it must be normal or full."),
    ],
)
def test_lens_run_says_once_what_is_wrong_with_a_setting_and_starts_nothing(
    db: Path, variable: str, value: str, said: str
) -> None:
    lens = Path(sys.executable).with_name("lens")
    variables = {k: v for k, v in environment(db).items() if k != "FLUJO_OTEL_DB"}
    done = subprocess.run(
        [lens, "run", "--", sys.executable, "-c", "print('started')"],
        env={**variables, variable: value},
        check=False,
        cwd=db.parent,
        timeout=60,
        capture_output=True,
        text=True,
    )
    assert done.stdout == ""
    assert done.returncode not in (0, None)
    assert done.stderr.count(said) == 1
    assert "Traceback" not in done.stderr


def test_a_child_environment_keeps_what_is_set() -> None:
    given = {"OTEL_TRACES_EXPORTER": "console", "PYTHONPATH": f"mine{os.pathsep}yours", "HOME": "/"}
    child = child_environment(given, "spans.db")
    assert child["OTEL_TRACES_EXPORTER"] == "console"
    assert child["PYTHONPATH"].split(os.pathsep)[1:] == ["mine", "yours"]
    assert child["HOME"] == "/"
    assert child["FLUJO_OTEL_DB"] == str(Path("spans.db").absolute())
    assert child_environment(child, "spans.db") == child


@pytest.mark.parametrize("command", [[], ["--configurator", "flujo", "--id_generator", "flujo"]])
def test_the_real_opentelemetry_instrument_finds_our_exporter(db: Path, command: list[str]) -> None:
    """By OTEL_TRACES_EXPORTER=flujo alone, and with our configurator as well."""
    instrument = Path(sys.executable).with_name("opentelemetry-instrument")
    program = write_program(db.parent, APPLICATION, prelude="")
    subprocess.run(
        [instrument, *command, sys.executable, str(program)],
        env=environment(db, OTEL_TRACES_EXPORTER="flujo", **OTHERS_OFF),
        check=True,
        timeout=60,
    )
    assert names(db) == APPLICATION_NAMES


@pytest.mark.parametrize(
    ("client", "instrumentor"),
    [
        ("requests", "RequestsInstrumentor"),
        pytest.param(
            "httpx",
            "HTTPXClientInstrumentor",
            marks=pytest.mark.skipif(find_spec("httpx") is None, reason="httpx is not installed"),
        ),
    ],
)
def test_instrumented_libraries_do_not_trace_the_exporter(
    db: Path, client: str, instrumentor: str
) -> None:
    """sqlite3 instrumented without suppression turned one span into 126,799."""
    source = f"""
        import http.server, sqlite3, threading
        import {client} as client
        from opentelemetry.instrumentation.{client} import {instrumentor}
        from opentelemetry.instrumentation.sqlite3 import SQLite3Instrumentor
        from opentelemetry.instrumentation.threading import ThreadingInstrumentor
        for each in ({instrumentor}, SQLite3Instrumentor, ThreadingInstrumentor):
            each().instrument()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(204)
                self.end_headers()
            def log_message(self, *_):
                pass

        server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        flujo_otel.configure()
        tracer = trace.get_tracer("t")
        for _ in range(20):
            with tracer.start_as_current_span("root"):
                client.get(f"http://127.0.0.1:{{server.server_port}}/")
                sqlite3.connect(":memory:").cursor().execute("SELECT 1")
            assert trace.get_tracer_provider().force_flush()
        server.shutdown()
    """
    configured(db, source)
    assert names(db) == {"GET": 20, "SELECT": 20, "root": 20}


LIBRARIES = {
    "flujo": "flujo.FlujoInstrumentor",
    "pydantic_graph": "pydantic_graph.PydanticGraphInstrumentor",
    "langchain": "langchain.LangChainInstrumentor",
    "pydantic_ai": "pydantic_ai.PydanticAIInstrumentor",
}


@pytest.mark.flujo
@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("wanted", [True, False])
def test_a_library_is_instrumented_unless_it_is_not_wanted(
    db: Path, library: str, wanted: bool
) -> None:
    module, name = LIBRARIES[library].split(".")
    source = f"""
        from flujo_otel.integrations.{module} import {name}
        flujo_otel.configure({"" if wanted else f"{library}=False"})
        print({name}().is_instrumented_by_opentelemetry)
    """
    assert configured(db, source).splitlines()[-1] == str(wanted)


@pytest.mark.flujo
def test_configuring_imports_none_of_the_libraries(db: Path) -> None:
    source = """
        import sys
        flujo_otel.configure()
        heavy = ("flujo", "pydantic_graph", "langchain_core", "llama_index.core",
                 "pydantic_ai", "openinference.instrumentation")
        print([name for name in heavy if name in sys.modules])
    """
    assert configured(db, source).splitlines()[-1] == "[]"


LLAMA = """
import flujo_otel
flujo_otel.configure({argument})
from llama_index.core.llms import MockLLM
MockLLM(max_tokens=4).complete("hello")
"""


@pytest.mark.parametrize(("argument", "spans"), [("", 1), ("llama_index=False", 0)])
def test_llama_index_is_traced_unless_it_is_not_wanted(db: Path, argument: str, spans: int) -> None:
    pytest.importorskip("openinference.instrumentation.llama_index")
    configured(db, LLAMA.format(argument=argument))
    assert sum(names(db).values() if db.exists() else ()) == spans
