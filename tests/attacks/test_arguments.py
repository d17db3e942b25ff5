"""Arguments that are nearly right, for every public method: refused in our words, before anything is written.

For every value a server and a namespace in memory say the same, and nothing but our errors leaves them. A refused call
leaves everything as it was, and after an accepted one everything can be read (contract: store-23).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from redis_mob.errors import InternalError, RedisMobError, SerializationError, ValidationError, shown
from redis_mob.models.base import Model
from redis_mob.storage import MobStorage
from tests.attacks.nearly_right import odd_values, unvalidated
from tests.attacks.public_calls import ANY_JSON, METHODS, Method, Scene, everything, lacking, prepared, right_arguments
from tests.differential.driver import twins
from tests.differential.said import outcome, said


class Pair:
    """A storage on a server and one in memory, with the same content."""

    def __init__(self, storages: tuple[MobStorage, MobStorage], scenes: tuple[Scene, Scene]) -> None:
        self.storages = storages
        self.scenes = scenes

    async def content(self) -> str:
        """What both hold, which is the same."""
        on_server, in_memory = [said(await everything(storage)) for storage in self.storages]
        assert on_server == in_memory
        return in_memory

    async def tried(self, method: Method, argument: str | None = None, *odd: Any) -> Any:
        """What both say to a call with right arguments, but for one: a value for each of them. It is the same."""
        answers: list[Any] = []
        for number, (storage, scene) in enumerate(zip(self.storages, self.scenes, strict=True)):
            arguments = right_arguments(method, scene)
            if argument is not None:
                arguments[argument] = odd[number]
            answers.append(await outcome(method.call(storage, arguments)))
        assert said(answers[0]) == said(answers[1]), f"{method} with {argument} {shown(odd[:1])}"
        return answers[1]


@pytest.fixture
async def pair(server_url: str) -> AsyncIterator[Pair]:
    async with AsyncExitStack() as stack:
        storages = await stack.enter_async_context(twins(server_url))
        scenes = [await prepared(storage) for storage in storages]
        yield Pair(storages, (scenes[0], scenes[1]))


def methods(*, with_arguments: bool = True) -> list[Any]:
    chosen = [method for method in METHODS if method.parameters or not with_arguments]
    return [pytest.param(method, id=".".join(method)) for method in chosen]


@pytest.mark.parametrize("method", methods())
def test_every_argument_of_every_method_is_in_the_table(method: Method) -> None:
    assert lacking(method) == []


@pytest.mark.parametrize("method", methods(with_arguments=False))
async def test_right_arguments_are_accepted(pair: Pair, method: Method) -> None:
    answer = await pair.tried(method)
    assert not isinstance(answer, InternalError | ValidationError | SerializationError), answer
    await pair.content()


def is_any_json(method: Method, argument: str) -> bool:
    """Whether an argument takes any JSON value."""
    return argument in ANY_JSON or (method.store, argument) == ("records", "expected")


def must_be(method: Method, argument: str) -> type[RedisMobError] | tuple[type[RedisMobError], ...]:
    """The errors that a value of another type may raise."""
    if not is_any_json(method, argument):
        return ValidationError
    return SerializationError if method.store == "config" else InternalError


@pytest.mark.parametrize("method", methods())
async def test_a_value_that_is_nearly_right(pair: Pair, method: Method) -> None:
    before = await pair.content()
    for argument, right in right_arguments(method, pair.scenes[0]).items():
        for odd in odd_values(right, json=is_any_json(method, argument)):
            answer = await pair.tried(method, argument, odd.value, odd.value)
            if odd.refused:
                refusal = must_be(method, argument)
                assert isinstance(answer, refusal), f"{argument}, {odd.label}: {said(answer)[:300]}"
                assert len(str(answer)) < 600
            if isinstance(answer, InternalError | ValidationError) or (odd.refused and is_any_json(method, argument)):
                continue
            assert not isinstance(answer, SerializationError), f"{argument}, {odd.label}: {answer}"
            before = await pair.content()
        assert await pair.content() == before, argument


MODELS = [
    ("events", "append", "event"),
    ("runs", "create_run", "run"),
    ("runs", "cas_flow_state", "expected"),
    ("runs", "cas_flow_state", "next"),
    ("runs", "cas_frame_state", "next"),
    ("runs", "upsert_loop_snapshot", "snapshot"),
    ("runs", "upsert_loop_snapshot", "ledger_entry"),
    ("runs", "append_step_entry", "entry"),
    ("runs", "append_failure_entry", "entry"),
    ("specs", "put_spec", "definition"),
    ("runtime_metadata", "put_supervisor_authority", "record"),
    ("runtime_metadata", "upsert_external_binding_overlay", "record"),
    ("realm_profiles", "update", "profile"),
    ("executions", "start_run", "run"),
    ("executions", "start_run", "launch"),
    ("executions", "start_run", "labels"),
    ("asks", "answer", "answer"),
    ("asks", "answer", "pending"),
    ("executions", "join_workers", "worker"),
    ("executions", "renew_worker", "worker"),
]
"""An argument for each model that is stored."""


@pytest.mark.parametrize(("store", "name", "argument"), MODELS, ids=[".".join(model) for model in MODELS])
async def test_a_model_that_was_not_validated(pair: Pair, store: str, name: str, argument: str) -> None:
    method = Method(store, name)
    on_server, in_memory = [right_arguments(method, scene)[argument] for scene in pair.scenes]
    assert isinstance(in_memory, Model)
    before = await pair.content()
    for (label, one), (_, other) in zip(unvalidated(on_server), unvalidated(in_memory), strict=True):
        answer = await pair.tried(method, argument, one, other)
        assert not isinstance(answer, SerializationError), f"{label}: {answer}"
        if isinstance(answer, InternalError | ValidationError):
            assert len(str(answer)) < 1000
        else:
            before = await pair.content()
    assert await pair.content() == before
