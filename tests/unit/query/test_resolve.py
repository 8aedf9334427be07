"""What a person calls a run, to the run."""

import pytest

from flujo_otel.errors import AmbiguousRun, NoSuchRun
from flujo_otel.query.resolve import resolve
from unit.cli.scenes import START_NS, ListReader, a_run

RUNS = ("7f3a91c2", "7f11bb00", "5d11aa07")


@pytest.fixture
def reader() -> ListReader:
    """Three runs, the first the newest; the last has a trace id of its own."""
    return ListReader(
        [
            a_run(run_id=run_id, start_time_ns=START_NS - age, trace_id=f"{age:032x}")
            for age, run_id in enumerate(RUNS)
        ]
    )


@pytest.mark.parametrize(
    ("name", "run_id"),
    [
        ("last", "7f3a91c2"),
        ("prev", "7f11bb00"),
        ("5d11aa07", "5d11aa07"),
        ("5", "5d11aa07"),
        ("7f3", "7f3a91c2"),
        (f"{2:032x}", "5d11aa07"),
    ],
)
def test_a_run_is_found_by(reader: ListReader, name: str, run_id: str) -> None:
    assert resolve(reader, name).run_id == run_id


def test_a_whole_id_wins_over_being_a_prefix_of_another() -> None:
    reader = ListReader([a_run(run_id="test-1"), a_run(run_id="test-12")])
    assert resolve(reader, "test-1").run_id == "test-1"


def test_a_prefix_of_several_names_them_newest_first(reader: ListReader) -> None:
    with pytest.raises(AmbiguousRun) as caught:
        resolve(reader, "7f")
    assert caught.value.candidates == ("7f3a91c2", "7f11bb00")


def test_an_unknown_id_names_those_that_begin_like_it(reader: ListReader) -> None:
    with pytest.raises(NoSuchRun) as caught:
        resolve(reader, "7f3a99")
    assert caught.value.near == ("7f3a91c2",)


def test_a_mistyped_beginning_names_those_that_look_like_it(reader: ListReader) -> None:
    with pytest.raises(NoSuchRun) as caught:
        resolve(reader, "6d11aa07")
    assert caught.value.near == ("5d11aa07",)


@pytest.mark.parametrize("name", ["last", "prev", "7f", ""])
def test_an_empty_store_has_no_run_by_any_name(name: str) -> None:
    with pytest.raises(NoSuchRun):
        resolve(ListReader(), name)


def test_one_run_has_none_before_it() -> None:
    with pytest.raises(NoSuchRun) as caught:
        resolve(ListReader([a_run(run_id="only")]), "prev")
    assert caught.value.near == ("only",)
