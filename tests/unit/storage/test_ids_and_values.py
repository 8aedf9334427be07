"""Ids of any form and values of any kind: what is answered of them, and what is in the file."""

import json
from contextlib import closing
from pathlib import Path
from typing import Any

from opentelemetry.proto.trace.v1.trace_pb2 import Span as OTLPSpan

from flujo_otel.model import Batch
from flujo_otel.spanstore.factory import open_writer
from flujo_otel.storage.sqlite import SQLiteBackend
from flujo_otel.wire import message
from support.handed_in import STEP, node, table
from support.records import FROM_COLUMNS, record


class TestIds:
    async def test_ids_of_any_form_are_answered_as_given_even_where_two_runs_share_them(
        self, backend: SQLiteBackend
    ) -> None:
        trace = node("test-123", node("0a9c2b6e-5b0e-4b7e-9d8f-0c1d2e3f4a5b"), node("x/1"))
        for run_id in ("run-1", "run-2"):
            await backend.save_run_start({"run_id": run_id})
            await backend.save_trace(run_id, trace)
        for run_id in ("run-1", "run-2"):
            spans = await backend.get_spans(run_id)
            assert [(span["span_id"], span["parent_span_id"]) for span in spans] == [
                ("test-123", None),
                ("0a9c2b6e-5b0e-4b7e-9d8f-0c1d2e3f4a5b", "test-123"),
                ("x/1", "test-123"),
            ]
            found = await backend.get_trace(run_id)
            assert found is not None
            assert [len(found["children"]), found["span_id"]] == [2, "test-123"]

    async def test_the_otlp_form_has_valid_ids_that_agree_within_the_trace(
        self, backend: SQLiteBackend, path: Path
    ) -> None:
        child = node("00f067aa0ba902b7", status="failed", attributes={"a": [1, "x"]})
        await backend.save_trace("run-1", node("test-123", child))
        rows = table(path, f"SELECT {', '.join(FROM_COLUMNS)} FROM spans ORDER BY rowid")
        root, leaf = (
            OTLPSpan.FromString(message.of_columns(**dict(zip(FROM_COLUMNS, row, strict=True))))
            for row in rows
        )
        assert (len(root.trace_id), len(root.span_id)) == (16, 8)
        assert (leaf.trace_id, leaf.parent_span_id) == (root.trace_id, root.span_id)
        assert leaf.span_id.hex() == "00f067aa0ba902b7"
        assert (leaf.start_time_unix_nano, leaf.end_time_unix_nano) == (10**9, 2 * 10**9)
        assert (leaf.name, leaf.kind, leaf.status.code) == ("name-00f067aa0ba902b7", 1, 2)
        assert [each.key for each in leaf.attributes] == ["a"]


class TestValues:
    async def test_numbers_that_are_not_finite_become_text_so_that_json_extract_works(
        self, backend: SQLiteBackend, path: Path
    ) -> None:
        numbers = {"n": float("nan"), "p": float("inf"), "m": float("-inf")}
        await backend.save_run_start({"run_id": "run-1"})
        await backend.save_trace("run-1", node("r", attributes=numbers))
        await backend.save_run_end("run-1", {"final_context": numbers})
        written = {"n": "NaN", "p": "Infinity", "m": "-Infinity"}
        assert table(path, "SELECT json_extract(attributes, '$.n') FROM spans") == [("NaN",)]
        details = await backend.get_run_details("run-1")
        assert details is not None
        assert details["final_context"] == written

    async def test_lone_surrogates_and_values_that_contain_themselves_are_kept_in_some_form(
        self, backend: SQLiteBackend
    ) -> None:
        circle: list[Any] = []
        circle.append(circle)
        odd = {"\ud800": "\udfff", "circle": circle}
        await backend.save_step_result({**STEP, "step_name": "a\ud800", "input": odd})
        await backend.save_trace("run-1", node("i\ud800", attributes=odd))
        [step] = await backend.list_run_steps("run-1")
        assert step["input"]["\ud800"] == "\udfff"
        assert step["step_name"] == "a\\ud800"
        [span] = await backend.get_spans("run-1")
        assert span["attributes"]["\\ud800"] == "\\udfff"

    async def test_a_property_that_raises_spoils_its_own_value_only(
        self, backend: SQLiteBackend
    ) -> None:
        class Trap:
            def model_dump(self) -> None:
                raise RuntimeError("trap")

        await backend.save_step_result({**STEP, "input": [1, Trap()]})
        [step] = await backend.list_run_steps("run-1")
        assert step["input"] == [1, "<Trap: RuntimeError>"]

    async def test_a_tree_of_any_depth_comes_back_whole(self, backend: SQLiteBackend) -> None:
        trace = leaf = node("0")
        for number in range(1, 3000):
            leaf["children"] = [node(str(number))]
            leaf = leaf["children"][0]
        await backend.save_trace("run-1", trace)
        found = await backend.get_trace("run-1")
        ids = []
        while found is not None:
            ids.append(found["span_id"])
            found = found["children"][0] if found["children"] else None
        assert ids == [str(number) for number in range(3000)]

    async def test_text_that_is_no_json_is_answered_as_it_is(
        self, backend: SQLiteBackend, path: Path
    ) -> None:
        cut = json.dumps({"input.value": '{"cut'})
        step = record(1, name="s", role=1, attributes=cut, run_id="run-1")
        with closing(open_writer(path)) as writer:
            writer.write(Batch([step]))
        [found] = await backend.list_run_steps("run-1")
        assert found["input"] == '{"cut'
