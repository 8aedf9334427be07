"""`lens show --step` of a model's call that a real framework made."""

import subprocess
import sys
from pathlib import Path

import pytest

from support.lens import environment, told

LANGCHAIN = """
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

import flujo_otel

flujo_otel.configure()
image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 4000}}
asked = [SystemMessage("Be brief."), HumanMessage([{"type": "text", "text": "Sunny?"}, image])]
call = AIMessage("", tool_calls=[{"name": "look", "args": {"place": "a"}, "id": "1"}])
result = ToolMessage("It rains in a.", tool_call_id="1")
model = GenericFakeChatModel(messages=iter([AIMessage("Take an umbrella.")]), name="chat test")
model.with_config(run_name="chat test").invoke([*asked, call, result])
"""
PYDANTIC_AI = """
from pydantic_ai import Agent, BinaryContent
from pydantic_ai.models.test import TestModel

import flujo_otel

flujo_otel.configure()
agent = Agent(TestModel(custom_output_text="Take an umbrella."), system_prompt="Be brief.")


@agent.tool_plain
def look(place: str) -> str:
    return f"It rains in {place}."


agent.run_sync(["Sunny?", BinaryContent(b"a" * 3000, media_type="image/png")])
"""
LLAMA_INDEX = """
from llama_index.core.llms import ChatMessage, ImageBlock, MockLLM, TextBlock

import flujo_otel

flujo_otel.configure()
look = {"id": "1", "type": "function", "function": {"name": "look", "arguments": '{"place":"a"}'}}
MockLLM(max_tokens=3).chat(
    [
        ChatMessage(role="system", content="Be brief."),
        ChatMessage(role="user", blocks=[TextBlock(text="Sunny?"), ImageBlock(url="http://x/y.png")]),
        ChatMessage(role="assistant", content="", additional_kwargs={"tool_calls": [look]}),
        ChatMessage(role="tool", content="It rains in a.", additional_kwargs={"tool_call_id": "1"}),
    ]
)
"""
ASKED = """   in
     system     Be brief.
     user       Sunny?
                [image {image}]
     assistant  calls look({{"place": "a"}})
     tool       look returned It rains in a.
   out
     assistant  {answer}
"""


@pytest.mark.parametrize(
    ("module", "source", "name", "image"),
    [
        ("langchain_core", LANGCHAIN, "chat test", "image/png, 3,000 bytes"),
        ("pydantic_ai", PYDANTIC_AI, "chat test", "image/png"),
        ("llama_index", LLAMA_INDEX, "MockLLM.chat", "http://x/y.png"),
    ],
)
def test_the_messages_are_drawn(
    tmp_path: Path, module: str, source: str, name: str, image: str
) -> None:
    pytest.importorskip(module)
    (tmp_path / "app.py").write_text(source)
    subprocess.run([sys.executable, "app.py"], cwd=tmp_path, env=environment(), check=True)
    out = told(tmp_path, "show", "last", "--step", name)
    answer = "text text text" if module == "llama_index" else "Take an umbrella."
    assert ASKED.format(image=image, answer=answer) in out
    assert '"role"' not in out
