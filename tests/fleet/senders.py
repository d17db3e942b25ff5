"""Callers that send signals to a simulated run: at random moments, too many or too few, and some of them twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial
from random import Random
from typing import Any, NamedTuple, cast

import pytest

from redis_mob.contracts import ExecutionStore
from redis_mob.errors import CasConflictError, ValidationError
from redis_mob.fleet.signals import Signals
from redis_mob.models.definition import MobDefinition
from redis_mob.models.execution import ExecutionStatus
from redis_mob.models.signal import Sent, Signal
from redis_mob.models.transition import RunView
from tests.fleet.flows import FLOW
from tests.fleet.simulation import SimulatedStore
from tests.fleet.strategies import SILENT

SOME = 0.3
"""The share of the signals that are sent again, or that are spoiled before they are sent."""


@dataclass(frozen=True)
class Desk:
    """A simulated store as senders see it."""

    store: SimulatedStore

    async def load(self, _run_id: str) -> RunView:
        return self.store.load()

    async def get_definition(self, _digest: str) -> MobDefinition:
        return self.store.definition

    async def send_signal(self, _run_id: str, signal: Signal, *, idempotency_key: str | None = None) -> Sent:
        return self.store.send_signal(signal, idempotency_key)


class Letter(NamedTuple):
    """A signal that was sent under a key."""

    name: str
    payload: Any
    idempotency_key: str
    number: int


@dataclass
class Senders:
    """Callers that send so many signals `unasked`, and others when a run can go on by a signal alone.

    The payload of a signal is its number among those of its name, so that it does not depend on when it was sent.
    """

    store: SimulatedStore
    random: Random
    unasked: int = 0
    counts: Counter[str] = field(default_factory=Counter[str])
    letters: list[Letter] = field(default_factory=list[Letter])

    @cached_property
    def signals(self) -> Signals:
        """What a fleet sends its signals by."""
        return Signals(cast("ExecutionStore", Desk(self.store)), self.store.namespace)

    @cached_property
    def names(self) -> list[str]:
        """What may be sent."""
        waits = self.store.definition.flows[FLOW].waits
        return sorted({wait.signal for wait in waits.values()} - {SILENT})

    def moves(self) -> list[Callable[[], None]]:
        """What may come at any moment."""
        return [self._send_unasked] if self.unasked and self.names else []

    def when_quiet(self) -> list[Callable[[], None]]:
        """What may come where no worker has anything to do; nothing if the run is over, or hangs."""
        self.store.check_waits_end()
        moves: list[Callable[[], None]] = [self.store.let_time_pass] if self.store.next_time() is not None else []
        if self.store.view.run.status.is_terminal:
            return moves
        return [*moves, *self.moves()] or [partial(self._send, name) for name in self._wanted()]

    def check_over(self) -> None:
        """A run that is over takes no signal, but says of one that was sent that it was."""
        before = self.store.view
        for name in self.names:
            with pytest.raises(CasConflictError, match="is over"):
                self._call(name, self.counts[name])
        for letter in self.letters[-2:]:
            self._repeat(letter)
        assert self.store.view is before

    def _wanted(self) -> list[str]:
        waits = self.store.definition.flows[FLOW].waits
        executions = self.store.view.executions.values()
        return sorted({waits[one.step_id].signal for one in executions if one.status is ExecutionStatus.AWAITING})

    def _send_unasked(self) -> None:
        self.unasked -= 1
        if self.store.view.run.status.is_terminal:
            self.check_over()
        else:
            self._send(self.random.choice(self.names))

    def _send(self, name: str) -> None:
        schemas = self.store.view.launch.schemas
        waits = self.store.definition.flows[FLOW].waits
        has_schema = any(waits[step_id].signal == name for step_id in waits if step_id in schemas)
        before = self.store.view
        if has_schema and self.random.random() < SOME:
            with pytest.raises(ValidationError, match="refused"):
                self._call(name, "no number")
            assert self.store.view is before
        self.counts[name] += 1
        payload, key = self.counts[name], None
        if self.random.random() < SOME:
            key = f"{name} {payload}"
        sent = self._call(name, payload, key)
        assert sent == (len(self.store.sent), False)
        assert self.store.sent[sent.number] == Signal(name=name, payload=payload)
        if key is not None:
            self.letters.append(Letter(name, payload, key, sent.number))
        if self.letters and self.random.random() < SOME:
            self._repeat(self.random.choice(self.letters))

    def _repeat(self, letter: Letter) -> None:
        """Send a signal again: it is known, and nothing happens."""
        before = self.store.view
        assert self._call(letter.name, letter.payload, letter.idempotency_key) == (letter.number, True)
        with pytest.raises(ValidationError, match="belongs to another signal"):
            self._call(letter.name, letter.payload + 1, letter.idempotency_key)
        assert self.store.view is before

    def _call(self, name: str, payload: Any, idempotency_key: str | None = None) -> Sent:
        run_id = self.store.view.run.run_id
        return asyncio.run(self.signals.send(run_id, name, payload, idempotency_key=idempotency_key))
