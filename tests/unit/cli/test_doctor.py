"""`lens doctor` on a real store."""

import time
from pathlib import Path

import pytest
from rich.cells import cell_len

from flujo_otel.model import Loss
from flujo_otel.spanstore.factory import open_writer
from unit.cli.lens import answer, document, on_a_terminal


def test_doctor_where_there_is_flujo_s_own_database_alone(
    flujos_own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = answer(capsys, "doctor")
    assert (code, err) == (0, "")
    assert "none of ours yet" in out and f"flujo's own is {flujos_own}" in out
    assert document(capsys, "doctor")[1]["flujo_path"] == str(flujos_own)


def test_what_to_type_names_the_database_that_was_named(
    flujos_own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = answer(capsys, "doctor", "--db", "an other.db")[1]
    assert ": lens run --db 'an other.db' -- python your_app.py\n" in out
    assert ": lens list --db 'an other.db' shows its runs\n" in out


def test_a_sound_database(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = answer(capsys, "doctor")
    assert code == 0
    assert "1 run, 13 spans, change 13, integrity ok" in out
    assert document(capsys, "doctor")[1]["sound"] is True


def test_what_was_lost_is_a_fault(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    writer = open_writer(filled)
    writer.count_losses([Loss("app", "queue_full", "64 MB", 120, 0, time.time_ns())])
    writer.close()
    code, out, _ = answer(capsys, "doctor")
    assert code == 1
    assert "120 spans of app" in out and "raise FLUJO_OTEL_QUEUE_BYTES" in out


@pytest.mark.parametrize("environment", [{}, {"LC_ALL": "C"}])
def test_nothing_of_a_finding_is_cut(filled: Path, environment: dict[str, str]) -> None:
    service = "サービス・とても長い名前のサービス"
    writer = open_writer(filled)
    writer.count_losses([Loss(service, "queue_full", "", 120, 0, time.time_ns())])
    writer.close()
    out = on_a_terminal("doctor", exit_code=1, COLUMNS="40", NO_COLOR="1", **environment)
    lines = out.splitlines()
    said = service.encode("ascii", "backslashreplace").decode() if environment else service
    assert f"120spansof{said}," in "".join("".join(lines).split())
    assert max(map(cell_len, lines)) <= 40
