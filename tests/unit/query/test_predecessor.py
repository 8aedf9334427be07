"""With which run one is compared where nobody says."""

from flujo_otel.model import Run, Span
from flujo_otel.model.record import Role
from flujo_otel.query.predecessor import earlier_run
from unit.cli.scenes import START_NS, ListReader, a_run, a_span


class Reader(ListReader):
    """With what `earlier_run` filters by."""

    def list_runs(self, where, limit):  # type: ignore[no-untyped-def]
        return [
            run
            for run in super().list_runs(where, len(self.runs))
            if run.pipeline_name == where.pipeline and run.start_time_ns <= where.until_ns
        ][:limit]


def begun(
    run_id: str, at: int, pipeline: str = "p", root: str = "pipeline_run", parent: int | None = None
) -> tuple[Run, Span]:
    span = a_span(at, root, at, 900, parent, run_id=run_id, role=Role.RUN_ROOT)
    return a_run([span], run_id=run_id, start_time_ns=START_NS + at, pipeline_name=pipeline), span


def earlier(run_id: str, *runs: tuple[Run, Span]) -> str | None:
    reader = Reader([run for run, _ in runs], [span for _, span in runs])
    run = reader.get_run(run_id)
    assert run is not None
    found = earlier_run(reader, run)
    return None if found is None else found.run_id


def test_it_is_the_newest_before_it_of_its_pipeline() -> None:
    runs = (begun("a", 1), begun("b", 2), begun("c", 3, "q"), begun("d", 4), begun("e", 5))
    assert earlier("d", *runs) == "b"
    assert earlier("c", *runs) is None
    assert earlier("a", *runs) is None


def test_of_a_service_s_requests_it_is_one_that_began_alike() -> None:
    runs = (
        begun("get", 1, root="GET /orders"),
        begun("post", 2, root="POST /login"),
        begun("last", 3, root="GET /orders"),
        begun("other", 4, root="DELETE /"),
    )
    assert earlier("last", *runs) == "get"
    assert earlier("other", *runs) == "last"


def test_it_is_none_that_the_run_itself_is_in() -> None:
    runs = (begun("before", 1), begun("outer", 2), begun("inner", 3, parent=2))
    assert earlier("inner", *runs) == "before"
