"""Where instrumentations put what a model was asked and what it answered, beside
`gen_ai.input.messages` and `gen_ai.output.messages`: for the reader, our producers write none.
"""

from typing import Final

SYSTEM_INSTRUCTIONS: Final = "gen_ai.system_instructions"
"""Parts of a system message that is not among the messages."""
# --- an attribute for each field of each message -------------------------------------------------
OPENINFERENCE_INPUT: Final = "llm.input_messages."
"""`llm.input_messages.0.message.role`"""
OPENINFERENCE_OUTPUT: Final = "llm.output_messages."
NUMBERED_PROMPT: Final = "gen_ai.prompt."
"""`gen_ai.prompt.0.role`"""
NUMBERED_COMPLETION: Final = "gen_ai.completion."
# --- all of them in one ---------------------------------------------------------------------------
PROMPT: Final = "gen_ai.prompt"
COMPLETION: Final = "gen_ai.completion"
EVENTS: Final = "events"
"""pydantic-ai's, before there were `gen_ai.*.messages`: the events below as a JSON array."""
ALL_EVENTS: Final = "all_messages_events"
"""The same of a whole agent."""
# --- an event for each ----------------------------------------------------------------------------
EVENT_SYSTEM: Final = "gen_ai.system.message"
EVENT_USER: Final = "gen_ai.user.message"
EVENT_ASSISTANT: Final = "gen_ai.assistant.message"
EVENT_TOOL: Final = "gen_ai.tool.message"
EVENT_CHOICE: Final = "gen_ai.choice"
"""The answer: `message`, or `content` and `tool_calls` beside it."""
