"""What a span of LangChain says beyond the names that others have (docs/semconv.md)."""

from typing import Final

RUN_ID: Final = "langchain.run_id"
"""LangChain's own id of the run that the span is."""
RUN_TYPE: Final = "langchain.run_type"
"""`chain`, `prompt`, `parser`, `tool`, `retriever`, `llm` or `chat_model`."""
CHUNK_COUNT: Final = "langchain.chunk_count"
"""How many chunks a streamed answer came in."""
UNFINISHED: Final = "langchain.unfinished"
"""True: LangChain never said how it ended."""
EVENT_FIRST_TOKEN: Final = "gen_ai.first_token"
"""The first chunk of a streamed answer came; those that follow are no events."""
EVENT_RETRY: Final = "langchain.retry"
"""LangChain waits before the next try of the call."""
CUSTOM_EVENT_DATA: Final = "langchain.data"
"""On an event that the program dispatched: its data, as JSON."""
