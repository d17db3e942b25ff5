"""The table of a fleet of namespaces: which there are, and which slots of keys are bound to which (decision 0070).

It lies among the generic records of the first namespace. What it says is never taken back: a namespace keeps its
number, and a slot that was bound stays where it is. So what was read of it is true for ever, and a process that does
not know the newest additions does nothing wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from redis_mob.errors import CasConflictError, NotFoundError, SerializationError, ValidationError, shown
from redis_mob.sharding.key_slots import KEY_SLOTS, preferred
from redis_mob.sharding.run_ids import MOST_NAMESPACES
from redis_mob.storage import MobStorage

COLLECTION, SLOTS = "redis_mob.namespaces", "redis_mob.namespaces.slots"
"""The collections of records in which it lies."""

_LIST = "namespaces"
_FORM = 1
"""Which form the table has: a program that does not know the form of a later one refuses it."""


async def found(storage: MobStorage, names: Sequence[str]) -> tuple[str, ...]:
    """The namespaces of the fleet: these, if it is new, and else those that the table has.

    Raises ValidationError if the table does not begin with these.
    """
    try:
        await storage.records.insert(COLLECTION, _LIST, _listed(names))
    except CasConflictError:
        known = await read(storage)
        if known[: len(names)] != tuple(names):
            raise ValidationError(
                f"namespaces: the fleet of {shown(storage.namespace)} has {', '.join(map(shown, known))}, not "
                f"{', '.join(map(shown, names))}: give those that it has, or the first ones of them; "
                "FleetOfNamespaces.add takes in others"
            ) from None
        return known
    return tuple(names)


async def read(storage: MobStorage) -> tuple[str, ...]:
    """The namespaces of the fleet, by their numbers. Raises NotFoundError if there is no table."""
    stored = await storage.records.get(COLLECTION, _LIST)
    if stored is None:
        raise NotFoundError(
            f"namespace {shown(storage.namespace)} has no table of a fleet of namespaces: open it with its namespaces"
        )
    return _names(storage, stored)


async def add(storage: MobStorage, name: str) -> tuple[str, ...]:
    """Add a namespace behind the others, unless it is there; gives all of them.

    Raises ValidationError if there are as many as there can be.
    """
    while True:
        stored = await storage.records.get(COLLECTION, _LIST)
        known = await read(storage) if stored is None else _names(storage, stored)
        if name in known:
            return known
        if len(known) == MOST_NAMESPACES:
            raise ValidationError(f"a fleet has at most {MOST_NAMESPACES} namespaces; {shown(name)} is one more")
        if await storage.records.compare_and_put(COLLECTION, _LIST, stored, _listed((*known, name))):
            return (*known, name)


async def owner_of(storage: MobStorage, slot: int, numbers: Iterable[int]) -> int:
    """The number of the namespace of a slot; if it is not bound, it is bound to one of these, for ever.

    Several that bind one slot at a time get the same answer: the first one counts.
    """
    place = f"{slot:05}"
    stored = await storage.records.get(SLOTS, place)
    if stored is None:
        chosen = preferred(slot, numbers)
        try:
            await storage.records.insert(SLOTS, place, chosen)
        except CasConflictError:
            stored = await storage.records.get(SLOTS, place)
        else:
            return chosen
    if type(stored) is not int or not 0 <= stored < MOST_NAMESPACES:
        raise SerializationError(f"slot {slot} of the fleet of {shown(storage.namespace)} is bound to {shown(stored)}")
    return stored


def _listed(names: Sequence[str]) -> dict[str, Any]:
    return {"form": _FORM, "slots": KEY_SLOTS, "namespaces": list(names)}


def _names(storage: MobStorage, stored: Any) -> tuple[str, ...]:
    match stored:
        case {"form": 1, "slots": 16_384, "namespaces": [*names]} if all(isinstance(name, str) for name in names):
            return tuple(names)
        case _:
            pass
    raise SerializationError(
        f"the table of the fleet of {shown(storage.namespace)} cannot be read: {shown(stored)}; a later release may "
        "have written it"
    )
