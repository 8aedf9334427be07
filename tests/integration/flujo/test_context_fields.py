"""Which fields of a context are flujo's own."""

from flujo.domain.models import PipelineContext

from flujo_otel_cli.final_context import FLUJOS_OWN


def test_all_that_flujo_itself_has_are_known() -> None:
    assert PipelineContext.model_fields.keys() - FLUJOS_OWN == set()
