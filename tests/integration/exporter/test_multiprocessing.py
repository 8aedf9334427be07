"""multiprocessing's children run neither atexit nor at-fork finalizers, and lose nothing."""

from pathlib import Path

import pytest

from support.programs import names, run

START_METHODS = ("fork", "forkserver", "spawn")


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "spans.db"


@pytest.mark.parametrize("method", START_METHODS)
def test_a_childs_spans_arrive_where_the_module_configures_tracing(db: Path, method: str) -> None:
    source = f"""
        import multiprocessing
        tracer = traced().get_tracer("t")
        def work(number):
            spans(tracer, 20, f"child {{number}}")
        if __name__ == "__main__":
            spans(tracer, 20, "parent")
            context = multiprocessing.get_context({method!r})
            children = [context.Process(target=work, args=(n,)) for n in range(3)]
            for child in children:
                child.start()
            for child in children:
                child.join()
                assert child.exitcode == 0
    """
    run(db, source)
    assert names(db) == {"parent": 20, **{f"child {n}": 20 for n in range(3)}}


@pytest.mark.parametrize("method", START_METHODS)
def test_a_childs_spans_arrive_where_its_own_function_configures_tracing(
    db: Path, method: str
) -> None:
    source = f"""
        import multiprocessing
        def work():
            spans(traced().get_tracer("t"), 20, "child")
        if __name__ == "__main__":
            child = multiprocessing.get_context({method!r}).Process(target=work)
            child.start()
            child.join()
            assert child.exitcode == 0
    """
    run(db, source)
    assert names(db) == {"child": 20}


def test_a_pools_workers_are_terminated_and_lose_nothing(db: Path) -> None:
    """Leaving a Pool's `with` block sends its workers SIGTERM."""
    source = """
        import multiprocessing
        tracer = traced().get_tracer("t")
        def work(number):
            spans(tracer, 20, "child")
        if __name__ == "__main__":
            with multiprocessing.get_context("fork").Pool(2) as pool:
                pool.map(work, range(10))
    """
    run(db, source)
    assert names(db) == {"child": 200}
