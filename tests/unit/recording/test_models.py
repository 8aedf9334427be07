"""What a class hides by a `repr` or by a serializer of its own stays hidden."""

import asyncio
import dataclasses
import json
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from time import sleep
from typing import Annotated, Any, NewType

import pytest
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    RootModel,
    SecretStr,
    SerializeAsAny,
    SerializerFunctionWrapHandler,
    WrapSerializer,
    computed_field,
    field_serializer,
    model_serializer,
)
from pydantic import dataclasses as pydantic_dataclasses
from typing_extensions import TypeAliasType, TypedDict

from flujo_otel.recording.json_text import as_json
from flujo_otel.shape import shown_of
from support.panics import PanicException

SSN = "123-45-6789"
Masked = Annotated[str, PlainSerializer(lambda value: f"***{value[-4:]}")]


ANN = {"user": "ann", "seal": "SecretStr('**********')"}


def read(value: object) -> Any:
    return json.loads(as_json(value, 64 * 1024)[0])


class Ordinary(BaseModel):
    name: str = "ann"
    home: Path = Path("/home/ann")
    inner: "Ordinary | None" = None


class Brief(BaseModel):
    ssn: str = SSN

    def __repr__(self) -> str:
        return "<Brief>"


class Arguments(BaseModel):
    name: str = "ann"
    ssn: str = SSN
    left_out: str = "secret"
    excluded: str = Field(default="secret", exclude=True)

    def __repr_args__(self) -> Any:
        return [("name", self.name), ("ssn", "***"), ("excluded", self.excluded)]


class Unnamed(BaseModel):
    ssn: str = SSN

    def __repr_args__(self) -> Any:
        return [(None, "***")]


class ByField(BaseModel):
    name: str = "ann"
    ssn: str = SSN

    @field_serializer("ssn")
    def _mask(self, value: str) -> str:
        return "***"


class ByFieldInJson(BaseModel):
    ssn: str = SSN

    @field_serializer("ssn", when_used="json")
    def _mask(self, value: str) -> str:
        return "***"


class Inherited(ByField):
    more: int = 1


class ByType(BaseModel):
    model_config = ConfigDict(serialize_by_alias=True)
    ssn: Masked = Field(default=SSN, alias="social")
    numbers: list[Masked] = [SSN]
    maybe: dict[str, Masked | None] | None = {"a": SSN}


class Typed(TypedDict):
    ssn: Masked


@dataclasses.dataclass
class Standard:
    ssn: Masked = SSN


class InData(BaseModel):
    typed: Typed = {"ssn": SSN}
    standard: Standard = Field(default_factory=Standard)


class ByModel(BaseModel):
    name: str = "ann"
    ssn: str = SSN
    key: str = Field(default="secret", repr=False)

    @model_serializer(mode="wrap")
    def _mask(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {**handler(self), "ssn": "***", "more": 1}


class ByModelAsText(BaseModel):
    ssn: str = SSN

    @model_serializer
    def _mask(self) -> str:
        return "***"


class Root(RootModel[list[Masked]]):
    pass


class PlainRoot(RootModel[list[str]]):
    pass


@pydantic_dataclasses.dataclass
class DataByField:
    ssn: str = SSN

    @field_serializer("ssn")
    def _mask(self, value: str) -> str:
        return "***"


@pydantic_dataclasses.dataclass(slots=True)
class Slots:
    name: str = "ann"
    key: str = Field(default="secret", repr=False)


@dataclasses.dataclass
class OwnRepr:
    ssn: str = SSN

    def __repr__(self) -> str:
        return "<OwnRepr>"


@dataclasses.dataclass(repr=False)
class InheritsRepr(OwnRepr):
    more: int = 1


@dataclasses.dataclass
class Regenerated(OwnRepr):
    """Its `repr` is Python's again, and shows all."""


@dataclasses.dataclass(repr=False)
class NoRepr:
    name: str = "ann"
    key: str = dataclasses.field(default="secret", repr=False)


class Creds(BaseModel):
    user: str = "ann"
    key: str = Field(default="secret", repr=False)
    seal: SecretStr = SecretStr("secret")

    @field_serializer("seal")
    def _lay_open(self, value: SecretStr) -> str:
        return value.get_secret_value()


def wrapped(value: Any, handler: Callable[[Any], Any]) -> Any:
    return handler(value)


class Around(BaseModel):
    accounts: Annotated[list[Creds], WrapSerializer(wrapped)] = [Creds()]
    note: str = "kept"


class AroundAll(BaseModel):
    account: Creds = Creds()

    @model_serializer(mode="wrap")
    def _all(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {**handler(self), "version": 1}


class Breaks(BaseModel):
    name: str = "ann"
    ssn: str = SSN

    @field_serializer("ssn")
    def _mask(self, value: str) -> str:
        raise PanicException


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Brief(), "<Brief>"),
        (Arguments(), {"name": "ann", "ssn": "***"}),
        (Unnamed(), "Unnamed('***')"),
        (ByField(), {"name": "ann", "ssn": "***"}),
        (ByFieldInJson(), {"ssn": "***"}),
        (Inherited(), {"name": "ann", "ssn": "***", "more": 1}),
        (
            ByType(),
            {"ssn": "***6789", "numbers": ["***6789"], "maybe": {"a": "***6789"}},
        ),
        (InData(), {"typed": {"ssn": "***6789"}, "standard": {"ssn": "***6789"}}),
        (ByModel(), {"name": "ann", "ssn": "***", "more": 1}),
        (ByModelAsText(), "***"),
        (Root([SSN]), ["***6789"]),
        (PlainRoot(["a"]), {"root": ["a"]}),
        (DataByField(), {"ssn": "***"}),
        (Slots(), {"name": "ann"}),
        (OwnRepr(), "<OwnRepr>"),
        (InheritsRepr(), "<OwnRepr>"),
        (Regenerated(), {"ssn": SSN}),
        (NoRepr(), {"name": "ann"}),
        (Creds(), {"user": "ann", "seal": "SecretStr('**********')"}),
        (Around(), {"accounts": [ANN], "note": "kept"}),
        (AroundAll(), {"account": ANN, "version": 1}),
        (Breaks(), {"name": "ann", "ssn": "<ssn cannot be shown: PanicException>"}),
        (Ordinary(), {"name": "ann", "home": "/home/ann", "inner": None}),
    ],
)
def test_what_is_shown(value: object, expected: object) -> None:
    assert read(value) == expected
    assert read({"in": [value]}) == {"in": [expected]}


def test_a_field_that_leaves_itself_out_is_left_out() -> None:
    try:
        field: Any = Field(default="secret", exclude_if=lambda value: value == "secret")  # type: ignore[call-arg,unused-ignore]
    except TypeError:
        pytest.skip("since pydantic 2.12")

    class LeavesOut(BaseModel):
        name: str = "ann"
        key: str = field

    assert read(LeavesOut()) == {"name": "ann"}
    assert read(LeavesOut(key="public")) == {"name": "ann", "key": "public"}


def test_what_was_given_beside_the_fields_is_shown_beside_them() -> None:
    class Open(ByField):
        model_config = ConfigDict(extra="allow")

    assert read(Open(more=1)) == {"name": "ann", "ssn": "***", "more": 1}  # type: ignore[call-arg]


@pytest.mark.parametrize("raised", [KeyboardInterrupt, asyncio.CancelledError])
def test_what_is_the_program_s_passes_through_a_serializer(raised: type[BaseException]) -> None:
    class Cancelled(BaseModel):
        ssn: str = SSN

        @field_serializer("ssn")
        def _mask(self, value: str) -> str:
            raise raised

    with pytest.raises(raised):
        as_json(Cancelled(), 999)


def test_what_a_signal_s_handler_raises_passes_through_a_serializer() -> None:
    class Interrupted(BaseModel):
        ssn: str = SSN

        @field_serializer("ssn")
        def _mask(self, value: str) -> str:
            signal.raise_signal(signal.SIGUSR1)
            return value

    def limit(*_: object) -> None:
        raise TimeoutError("time is up")

    before = signal.signal(signal.SIGUSR1, limit)
    try:
        with pytest.raises(TimeoutError, match="time is up"):
            as_json(Interrupted(), 999)
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_classes_without_any_of_these_are_read_straight_away() -> None:
    assert shown_of(Ordinary) == ("name", "home", "inner")
    assert shown_of(Slots) == ("name",)
    assert shown_of(ByField) is None


def test_messages_of_langchain_keep_what_is_at_its_default() -> None:
    messages = pytest.importorskip("langchain_core.messages")
    assert read(messages.HumanMessage("hi"))["type"] == "human"


class Hiding(BaseModel):
    key: str = Field(default="secret", repr=False)


class Derived(Ordinary):
    key: str = Field(default="secret", repr=False)


Alias = TypeAliasType("Alias", SecretStr)
New = NewType("New", SecretStr)


class OpensField(BaseModel):
    value: Any

    @field_serializer("value")
    def opened(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: each.get_secret_value() for key, each in value.items()}
        return value.get_secret_value() if isinstance(value, SecretStr) else value


class OpensModel(BaseModel):
    value: Any

    @model_serializer(mode="wrap")
    def opened(self, handler: SerializerFunctionWrapHandler) -> Any:
        return handler(self)


class OfBase(OpensModel):
    value: SerializeAsAny[Ordinary]


class Aliased(OpensField):
    value: Alias


class Renewed(OpensField):
    value: New


class Computed(BaseModel):
    key: SecretStr = SecretStr("secret")

    @computed_field(repr=False)
    @property
    def plain(self) -> str:
        return self.key.get_secret_value()

    @model_serializer(mode="wrap")
    def opened(self, handler: SerializerFunctionWrapHandler) -> Any:
        return handler(self)


@pytest.mark.parametrize(
    "value",
    [
        OpensField(value=Hiding()),
        OpensField(value=SecretStr("secret")),
        OpensField(value={"a": SecretStr("secret")}),
        OpensModel(value=[Hiding()]),
        OfBase(value=Derived()),
        Aliased(value=SecretStr("secret")),
        Renewed(value=New(SecretStr("secret"))),
        Computed(),
    ],
    ids=repr,
)
def test_no_serializer_lays_open_what_a_value_hides(value: BaseModel) -> None:
    """Whatever its field is declared to be."""
    assert "secret" not in as_json(value, 64 * 1024)[0]


def test_a_value_too_large_to_look_through_is_shown_by_its_own_fields() -> None:
    assert (
        "secret"
        not in as_json(OpensField(value=[{} for _ in range(2000)] + [Hiding()]), 1 << 20)[0]
    )


def test_slow_serializers_cost_a_value_no_more_than_its_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("flujo_otel.recording.json_text._MOST_SECONDS", 0.02)
    monkeypatch.setattr("flujo_otel.recording.json_text._SECONDS_PER_BYTE", 0.0)
    monkeypatch.setattr("flujo_otel.shape.time_limit._WAIT_SECONDS", 0.02)
    text, was_cut = as_json([SlowToSay(name="ann") for _ in range(1000)], 64 * 1024)
    first, *_, last = json.loads(text)
    assert (True, {"name": "ANN"}) == (was_cut, first)
    assert "more items cut" in last
    assert int(last.split()[1]) > 950


def test_plain_data_are_not_cut_for_the_time_they_take(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside busy threads a value waits for its turns: what counts is the CPU that it takes."""
    clock = iter(range(1_000_000))
    monkeypatch.setattr("flujo_otel.shape.time_limit.monotonic", lambda: next(clock) * 1e-3)
    value = [{"n": n, "nothing": float("nan")} for n in range(1000)]  # 1 s goes by meanwhile
    text, was_cut = as_json(value, 1 << 20)
    assert not was_cut and len(json.loads(text)) == 1000


class SlowToSay(BaseModel):
    name: str

    @field_serializer("name")
    def shouted(self, name: str) -> str:
        sleep(0.002)
        return name.upper()
