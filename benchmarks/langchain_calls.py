"""What tracing costs a LangChain call: the chain with no callback, with ours, with OpenInference's.

Per invoke of a chain of three (prompt, fake chat model, parser: four runs), on the program's
thread, the SDK with no processor, so that it is the callback that is measured. OpenInference's line
is there where openinference-instrumentation-langchain is installed; it is not in our extras.
"""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from langchain_core.language_models import FakeListChatModel
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from opentelemetry.sdk.trace import TracerProvider

CALLS = 300
ROUNDS = 9
WAYS = ("none", "ours", "openinference")


def callbacks(way: str) -> list[Any]:
    provider = TracerProvider(shutdown_on_exit=False)
    if way == "ours":
        from flujo_otel.integrations.langchain import XRayLangChainCallback

        return [XRayLangChainCallback(tracer_provider=provider)]
    if way == "openinference":
        from openinference.instrumentation.langchain import (  # type: ignore[import-not-found]
            LangChainInstrumentor,
        )

        LangChainInstrumentor().instrument(tracer_provider=provider)
    return []


def chain() -> Any:
    prompt = ChatPromptTemplate.from_messages([("system", "Be brief."), ("human", "{topic}")])
    return prompt | FakeListChatModel(responses=["They purr."]) | StrOutputParser()


def per_call(call: Callable[[], Any]) -> float:
    """CPU microseconds of this thread per call, the median of the rounds."""
    took = []
    for _ in range(ROUNDS):
        started = time.thread_time()
        for _ in range(CALLS):
            call()
        took.append((time.thread_time() - started) / CALLS * 1e6)
    return statistics.median(took)


def measure(way: str) -> None:
    config: Any = {"callbacks": callbacks(way)}
    three, one = chain(), RunnableLambda(lambda x: x)
    three.invoke({"topic": "cats"}, config=config)
    print(
        per_call(lambda: three.invoke({"topic": "cats"}, config=config)),
        per_call(lambda: one.invoke("cats", config=config)),
    )


def main() -> None:
    ways = [way for way in WAYS if way != "openinference" or _has_theirs()]
    got = {}
    for way in ways:
        # A process each: OpenInference's patches LangChain for all that follows.
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.langchain_calls", way],
            capture_output=True,
            text=True,
            check=True,
        )
        got[way] = [float(word) for word in done.stdout.split()]
    print(f"{'':>14} {'chain of three':>16} {'one function':>14}   (us per invoke)")
    for way, (three, one) in got.items():
        print(f"{way:>14} {three:>16.0f} {one:>14.0f}")
    ours = got["ours"][0]
    print(f"ours / none: {ours / got['none'][0]:.2f}")
    print(f"ours, per run: {(ours - got['none'][0]) / 4:.0f} us")
    if "openinference" in got:
        print(f"ours / openinference: {ours / got['openinference'][0]:.2f}")


def _has_theirs() -> bool:
    try:
        return find_spec("openinference.instrumentation.langchain") is not None
    except ModuleNotFoundError:
        return False


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure(sys.argv[1])
    else:
        main()
