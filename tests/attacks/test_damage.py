"""Damage of every key, of every part of it: it is told, or makes no difference. A wrong answer is never given."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest

from redis_mob.codec.conversations import conversation_digest
from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys, type_of_key
from redis_mob.connection.calls.run_keys import RunKeys
from redis_mob.errors import (
    ChangeFeedTruncatedError,
    EpochChangedError,
    EventsTrimmedError,
    SealKeyMissingError,
    SerializationError,
    StorageUnavailableError,
)
from redis_mob.storage import MobStorage
from tests.attacks.damages import WHOLE, Damage, damages_of
from tests.attacks.filled import Filled, Steps, all_steps, make_filled, open_filled, restore, stored_keys

FIXED = [key.partition("}:")[2] for key in Keys("n").fixed]


def all_of(run: RunKeys) -> list[str]:
    return [*run.parts, run.index, run.executions, run.published, run.cursors]


PARTS = [part.rpartition(":")[2] for part in all_of(Keys("n").run(str(uuid4())))[1:]]
TALK = f"conversation:{conversation_digest('c')}"
TARGETS = [
    *FIXED,
    *(f"{run}:{part}" for run in ("stored", "driven") for part in ("head", *PARTS)),
    *(TALK, f"{TALK}:items"),
]
"""Every key of a namespace, of a run that the run store wrote, of one that a fleet drives, and of a conversation."""

NOT_THERE = {"stored:executions", "stored:published", "stored:cursors", "driven:failures"}
"""Keys that the namespace of this suite does not have: no fleet drives the one run, no step of the other failed."""

OF_A_DELETION = {"deletion", "deleted_cursors"}
"""Parts of a run that is gone, which only its deletion reads."""

TELLING = {
    "events": (EventsTrimmedError,),
    "config:feed": (ChangeFeedTruncatedError,),
    "meta": (EpochChangedError, EventsTrimmedError, ChangeFeedTruncatedError),
    "seal_keys": (SealKeyMissingError,),
}
"""Errors that tell the truth about damage of a key, beside SerializationError."""

_COUNT = "a count that is gone or too small: it says that less is there than is, and what is there is given"
_ANY_VALUE = "the field alone says that it is so, its value is never read"
_RENEWED = "it is written again, and what is done until then is right in another order"
_SOUGHT = "events of a run that a deletion does not find by it are looked for in the log, or stay until they are pruned"
_MADE_AGAIN = "an index, which is made again of the runs"
_ENTERED_AGAIN = "a list of ids for people, in which an id is entered again with the next activity"
ACCEPTED = {
    "turns": {"": _RENEWED},
    "runs:by_status": {"deleted": _MADE_AGAIN, "without the member": _MADE_AGAIN},
    "runs:by_attribute": {"deleted": _MADE_AGAIN, "without the member": _MADE_AGAIN},
    "conversations": {"deleted": _ENTERED_AGAIN, "without the member": _ENTERED_AGAIN},
    "meta": {
        "'workers_changed'": _RENEWED,
        "'attributed'": _MADE_AGAIN,
        "'clock_ms'": _RENEWED,
        "'schedule_revision'": "it goes on behind the revision of the schedule that is written",
        "'webhook_revision'": "it goes on behind the revision of the webhook that is written",
        "'created'": "a time for people, which nothing reads",
        "'n:": _COUNT,
        "'counted'": _COUNT,
    },
    "events:index": {"cut to": _ANY_VALUE},
    "stored:head": {"'n:": _COUNT, "'counted'": _COUNT},
    "driven:head": {
        "'n:": _COUNT,
        "'counted'": _COUNT,
        "'cancel_requested_at' cut to": _ANY_VALUE,
        "'recorded'": _SOUGHT,
    },
    "driven:cursors": {"": _SOUGHT},
    "deletions": {"cut to": "a time for people, which nothing reads"},
    "retention": {"'turn'": "it is free then, and taken anew"},
    TALK: {"b'id' cut to": _ANY_VALUE},
    "stored:index": {"cut to": _ANY_VALUE},
    "driven:index": {"cut to": _ANY_VALUE},
}
"""Damages that need not be told, with the reason: every answer is that of the undamaged namespace.

Sessions are not damaged here. A receipt that is lost is told by the epoch: tests/connection has the cases.
"""


@pytest.fixture(scope="module")
def filled(server_url: str) -> Filled:
    return asyncio.run(make_filled(server_url))


@dataclass
class Answers:
    """What was answered before the damages, and what is wrong with the answers after each of them."""

    steps: Steps
    whole: dict[str, Any] = field(default_factory=dict)
    wrong: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    async def of(self, storage: MobStorage) -> list[dict[str, Any]]:
        """Each answer, or the error in its place, step by step."""
        given = [
            await asyncio.gather(*(ask(storage) for ask in step.values()), return_exceptions=True)
            for step in self.steps
        ]
        return [dict(zip(step, answers, strict=True)) for step, answers in zip(self.steps, given, strict=True)]

    async def ask_whole(self, storage: MobStorage) -> None:
        """Ask the undamaged namespace."""
        self.whole = {name: answer for step in await self.of(storage) for name, answer in step.items()}
        assert not [answer for answer in self.whole.values() if isinstance(answer, BaseException)]

    async def told_by(
        self, storage: MobStorage, telling: tuple[type[Exception], ...], what: str
    ) -> dict[str, Exception]:
        """The errors that tell of a damage; every other error, and every answer that has changed, is wrong.

        What is left after the writes is another thing if some of them were refused.
        """
        told: dict[str, Exception] = {}
        asked, written, *rest = await self.of(storage)
        left = {name: answer for step in rest for name, answer in step.items()}
        refused = any(isinstance(answer, BaseException) for answer in written.values())
        for name, answer in {**asked, **written, **left}.items():
            if isinstance(answer, (SerializationError, *telling)):
                told[name] = answer
            elif isinstance(answer, BaseException):
                self.wrong[what].append(f"{name}: {type(answer).__name__}: {answer}"[:300])
            elif answer != self.whole[name] and not (refused and name in left):
                self.wrong[what].append(f"{name}: another answer: {answer}"[:300])
        return told

    async def told_by_opening(self, url: str, keys: Keys, telling: tuple[type[Exception], ...], what: str) -> list[str]:
        try:
            async with open_filled(url, keys):
                return []
        except (SerializationError, *telling) as error:
            return [str(error)]
        except StorageUnavailableError as error:
            if not isinstance(error.__cause__, SerializationError):
                self.wrong[what].append(f"open: {error}"[:300])
            return [str(error)]
        except Exception as error:  # noqa: BLE001 - any other exception is a finding, and all are listed
            self.wrong[what].append(f"open: {type(error).__name__}: {error}"[:300])
            return []


class Attack:
    """The damages of one key, one after the other, each on the whole namespace.

    First the key is deleted, and gets other types: then every call that touches it is refused. The damages of its parts
    can concern no other calls, so that only these are made.
    """

    def __init__(self, url: str, connection: Client, filled: Filled, target: str) -> None:
        self.url, self.connection, self.filled, self.target = url, connection, filled, target
        self.key = filled.key_named(target)
        self.telling = TELLING.get(target, ())
        self.opening_reads_it = target in ("meta", "seal_keys", "seal_keys:checks")
        self.answers = Answers(all_steps(filled.there))
        self.touching: set[str] = set()
        self.unnoticed: list[str] = []

    async def run(self, damages: list[Damage]) -> None:
        whole, parts = damages[:WHOLE], damages[WHOLE:]
        assert parts
        await self._try(whole)
        if self.target != "meta":  # which every call reads, some of them only for the session around them
            self.answers.steps = [
                {name: ask for name, ask in step.items() if name in self.touching} for step in self.answers.steps
            ]
        await self._try(parts)

    async def _try(self, damages: list[Damage]) -> None:
        async with self._restored() as storage:
            await self.answers.ask_whole(storage)
        while damages:
            async with self._restored() as storage:
                # a storage that has met a new epoch is not used again
                for_one_storage = 1 if self.target == "meta" else len(damages)
                for damage in damages[:for_one_storage]:
                    await self._try_one(storage, damage)
                    await restore(self.connection, self.filled)
                damages = damages[for_one_storage:]

    @asynccontextmanager
    async def _restored(self) -> AsyncGenerator[MobStorage]:
        await restore(self.connection, self.filled)
        try:
            async with open_filled(self.url, self.filled.keys) as storage:
                yield storage
        finally:
            await restore(self.connection, self.filled)

    async def _try_one(self, storage: MobStorage, damage: Damage) -> None:
        said: list[str] = []
        if damage.what == "deleted" or self.opening_reads_it:
            await damage.do(self.connection.router)
            said += await self.answers.told_by_opening(self.url, self.filled.keys, self.telling, damage.what)
            await restore(self.connection, self.filled)
        await damage.do(self.connection.router)
        told = await self.answers.told_by(storage, self.telling, damage.what)
        self.touching |= told.keys()
        said += map(str, told.values())
        if not said and not any(part in damage.what for part in ACCEPTED.get(self.target, ())):
            self.unnoticed.append(damage.what)
        if damage.found is not None:
            says = f"{self.key} is damaged: it is a {damage.found}, and should be a {type_of_key(self.key)}"
            if not any(says in text for text in said):
                self.answers.wrong[damage.what].append(f"nothing says that {says}")


@pytest.mark.parametrize("target", [target for target in TARGETS if target not in NOT_THERE])
async def test_damage_is_told_or_makes_no_difference(
    target: str, server_url: str, connection: Client, filled: Filled
) -> None:
    attack = Attack(server_url, connection, filled, target)
    await restore(connection, filled)
    await attack.run([damage async for damage in damages_of(connection.router, attack.key)])
    assert_told(attack)


def assert_told(attack: Attack) -> None:
    wrong = "\n".join(f"{what}: {answer}" for what, given in attack.answers.wrong.items() for answer in given)
    assert not wrong, f"wrong answers, or errors that do not tell of damage, of {attack.key}:\n{wrong}"
    unnoticed = "\n".join(attack.unnoticed)
    assert not unnoticed, f"nothing tells of {attack.key}:\n{unnoticed}"


async def test_every_key_of_a_namespace_is_damaged(connection: Client, filled: Filled) -> None:
    attacked = {filled.key_named(target) for target in TARGETS if target not in NOT_THERE}
    await restore(connection, filled)
    present = set(await stored_keys(connection, filled.keys))
    assert present == set(filled.dumps)
    assert attacked <= present
    parts = {name.split(":run:")[1].partition(":")[2] for name in present - attacked if ":run:" in name}
    assert parts - {"", *OF_A_DELETION} <= set(PARTS)
    assert {name for name in present - attacked if ":run:" not in name} == set()


async def test_every_key_has_the_type_that_errors_name(connection: Client, filled: Filled) -> None:
    await restore(connection, filled)
    for name in await stored_keys(connection, filled.keys):
        assert await connection.router.request("TYPE", name) == type_of_key(name).encode(), name
