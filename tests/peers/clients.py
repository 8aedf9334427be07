"""The SDKs that send the tree, each as the program that a user of it would write."""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .plain import Value
from .tools import BUILT, PEERS, need
from .tree import BASE_NS, Ids

SECONDS = 60
SMALLEST: Value = ("int", -(2**63))


@dataclass(frozen=True)
class Client:
    """One SDK with one protocol."""

    sdk: str
    language: str
    """What the SDK calls itself in `telemetry.sdk.language`."""
    protocol: str
    command: Sequence[str | Path]
    tools: Sequence[str]
    """The programs that build and run it; without them there is no such client here."""
    built: Path
    error_type: str
    """What its exception event must say."""
    more: dict[str, Value] = field(default_factory=dict)
    """Attributes of `order` that only this SDK can send, or that it writes in its own way."""

    link_trace_state: str = "vendor=x"

    def __str__(self) -> str:
        return f"{self.sdk} {self.protocol}"

    def send(self, http: str, grpc: str) -> Ids:
        """Run it to its end; it must find its spans delivered."""
        need(self.tools, self.built, f"client with the {self.sdk} SDK")
        endpoint = grpc if self.protocol == "grpc" else http
        # What a developer's shell may say of OpenTelemetry is none of the test's business.
        environment = {k: v for k, v in os.environ.items() if not k.startswith("OTEL_")}
        done = subprocess.run(
            [*self.command, self.protocol, endpoint, str(BASE_NS)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert (0, "") == (done.returncode, done.stderr), f"{self}: {done.stderr}"
        return Ids.printed(done.stdout)


def _python(protocol: str) -> Client:
    program = PEERS / "python_client.py"
    return Client(
        sdk="Python",
        language="python",
        protocol=protocol,
        command=[sys.executable, program],
        tools=(),
        built=program,
        error_type="RuntimeError",
        link_trace_state="",  # which its exporter leaves out
        more={
            "smallest": SMALLEST,
            "raw": ("bytes", b"\x00\xff"),
            "nested": (
                "map",
                {
                    "list": ("array", (("int", 1), ("string", "two"))),
                    "deeper": ("map", {"yes": ("bool", True)}),
                },
            ),
        },
    )


def _javascript(protocol: str) -> Client:
    # Its JSON has null for a number that JSON has none for, and null means no value.
    unsaid: dict[str, Value] = {"not_a_number": ("empty", None), "infinite": ("empty", None)}
    return Client(
        sdk="JavaScript",
        language="nodejs",
        protocol=protocol,
        command=["node", PEERS / "javascript" / "client.mjs"],
        tools=("npm", "node"),
        built=PEERS / "javascript" / "node_modules" / ".installed",
        error_type="RangeError",
        more=unsaid if protocol == "http/json" else {},
    )


def _java(protocol: str) -> Client:
    jars = BUILT / "java"
    return Client(
        sdk="Java",
        language="java",
        protocol=protocol,
        command=["java", "-cp", f"{jars / 'client-1.jar'}:{jars / 'lib'}/*", "Client"],
        tools=("mvn", "java"),
        built=jars / ".built",
        error_type="java.lang.IllegalStateException",
        more={"smallest": SMALLEST},
    )


CLIENTS = [
    _python("grpc"),
    _python("http/protobuf"),
    _javascript("grpc"),
    _javascript("http/protobuf"),
    _javascript("http/json"),
    _java("grpc"),
    _java("http/protobuf"),
]
