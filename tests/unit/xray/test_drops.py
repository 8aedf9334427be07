"""Traces that were not recorded are counted once each, whatever interrupts the counting."""

import os
from collections import Counter
from collections.abc import Sequence

import pytest

from flujo_otel.model import Loss
from flujo_otel.xray.drops import RATE_LIMITED, SAMPLED_OUT, Drops


class Ledger:
    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self.error: BaseException | None = None

    def report(self, losses: Sequence[Loss]) -> None:
        if self.error is not None:
            raise self.error
        for loss in losses:
            assert loss.first_time_ns <= loss.last_time_ns
            self.counts[loss.reason, loss.detail] += loss.count


def test_they_are_added_up_by_reason() -> None:
    ledger = Ledger()
    drops = Drops(ledger.report)
    for reason, detail in [(SAMPLED_OUT, ""), (RATE_LIMITED, ""), (SAMPLED_OUT, "")]:
        drops.add(reason, detail)
    drops.flush()
    drops.flush()
    assert {(SAMPLED_OUT, ""): 2, (RATE_LIMITED, ""): 1} == ledger.counts


@pytest.mark.parametrize("error", [OSError("full"), KeyboardInterrupt()])
def test_what_could_not_be_reported_stays(
    error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLUJO_OTEL_RAISE", "0")
    ledger = Ledger()
    drops = Drops(ledger.report)
    drops.add(SAMPLED_OUT, "")
    ledger.error = error
    if isinstance(error, Exception):
        drops.flush()
    else:
        with pytest.raises(KeyboardInterrupt):
            drops.flush()
    ledger.error = None
    drops.add(SAMPLED_OUT, "")
    drops.flush()
    assert {(SAMPLED_OUT, ""): 2} == ledger.counts


def test_what_interrupts_a_report_comes_by_too() -> None:
    """As a signal's handler does, or a finalizer."""
    ledger = Ledger()

    def report(losses: Sequence[Loss]) -> None:
        if losses[0].count == 1:
            drops.add(SAMPLED_OUT, "")
            drops.add(SAMPLED_OUT, "")
            drops.flush()
        ledger.report(losses)

    drops = Drops(report)
    drops.add(SAMPLED_OUT, "")
    drops.flush()
    assert {(SAMPLED_OUT, ""): 3} == ledger.counts


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_counts_its_own_alone() -> None:
    ledger = Ledger()
    drops = Drops(ledger.report)
    drops.add(SAMPLED_OUT, "")
    child = os.fork()
    if child == 0:
        drops.add(SAMPLED_OUT, "")
        drops.add(SAMPLED_OUT, "")
        drops.flush()
        os._exit(ledger.counts[SAMPLED_OUT, ""])
    assert 2 == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    drops.flush()
    assert {(SAMPLED_OUT, ""): 1} == ledger.counts
