"""A namespace on a server and one in memory, called alike; the memory is the model of what the server must say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, cast

from redis_mob.models.due_work import DueWork
from redis_mob.models.transition import RunView
from tests.differential.said import outcome, said
from tests.robustness.caller import Call, Caller
from tests.robustness.report import BrokenError

_CONTEXT = 100
"""Characters of an answer that are shown before the first wrong one."""


class Twins:
    """The stores of both; calls are counted by store and method."""

    def __init__(self, server: Caller, memory: Any, counted: Counter[str]) -> None:
        self._server = server
        self._memory = _Counting(memory, counted)

    async def both(self, on_server: Call, in_memory: Call | None = None) -> tuple[Any, Any]:
        """The answers of server and memory to a call. Raises BrokenError if they say different things."""
        answer = await self._server.answer(on_server)
        model = await outcome((in_memory or on_server)(self._memory))
        told, true = said(_plain(answer)), said(_plain(model))
        if told != true:
            raise BrokenError(f"{self._memory.last}\n{_difference(told, true)}")
        return answer, model


class _Counting:
    """The stores of a storage, whose calls are counted; `last` is the text of the last one."""

    def __init__(self, storage: Any, counted: Counter[str]) -> None:
        self._storage = storage
        self._counted = counted
        self.last = ""

    def __getattr__(self, store: str) -> _CountingStore:
        return _CountingStore(getattr(self._storage, store), store, self._count)

    def _count(self, name: str, *arguments: Any) -> None:
        self._counted[name] += 1
        self.last = f"{name}{arguments!r:.500}"


class _CountingStore:
    def __init__(self, store: Any, name: str, count: Callable[..., None]) -> None:
        self._store = store
        self._name = name
        self._count = count

    def __getattr__(self, method: str) -> Any:
        def called(*positional: Any, **named: Any) -> Any:
            self._count(f"{self._name}.{method}", positional, named)
            return getattr(self._store, method)(*positional, **named)

        return called


def _difference(told: str, true: str) -> str:
    """Where two texts part."""
    parted = next((at for at, (one, other) in enumerate(zip(told, true, strict=False)) if one != other), 0)
    part = slice(max(0, parted - _CONTEXT), parted + 2 * _CONTEXT)
    return f"  told:  ...{told[part]}\n  model: ...{true[part]}"


def _plain(answer: Any) -> Any:
    """An answer as `said` takes it."""
    match answer:
        case RunView():
            return answer.run, answer.launch, sorted(answer.executions.items()), answer.cancel_requested
        case DueWork():
            return answer._replace(executions=tuple(sorted(answer.executions)))
        case dict():  # of accounts, whose keys are no texts
            return list(cast("dict[Any, Any]", answer).items())
        case _:
            return answer
