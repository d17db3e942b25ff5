"""Orders: of things that depend on each other, and of names that carry numbers."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping, Sequence

from redis_mob.errors import DefinitionError, shown

_DIGITS = re.compile(r"([0-9]{1,4000})")


def natural_key(name: str) -> tuple[tuple[tuple[str, int], ...], str]:
    """The key under which names sort in their natural order: numbers inside names count as numbers.

    So agent-2 comes before agent-10. Names that differ only in leading zeros are told apart by their texts.
    """
    # Split at runs of digits, the texts stand at even positions and the digits between them. Runs are bounded, since
    # int() refuses texts of more than 4,300 digits.
    parts = _DIGITS.split(name)
    numbers = [int(digits) for digits in parts[1::2]]
    return tuple(zip(parts[::2], [*numbers, -1], strict=True)), name


def dependency_order(dependencies: Mapping[str, Sequence[str]], what: str) -> tuple[str, ...]:
    """The ids of `dependencies` (id -> what it depends on, in the order of definition), each after its dependencies.

    Among those that are free at the same time, the order of definition counts; a repeated dependency does no harm.
    Raises DefinitionError, naming the id, for a dependency on itself, on something unknown, or in a cycle; `what`
    says what the ids are ("step", "node") (contract: kernel-3).
    """
    missing: dict[str, int] = {}
    dependents: dict[str, list[str]] = {item: [] for item in dependencies}
    for item, needed in dependencies.items():
        missing[item] = len(needed)
        for dependency in needed:
            if dependency == item:
                raise DefinitionError(f"{what} {shown(item)} depends on itself")
            if dependency not in dependents:
                raise DefinitionError(
                    f"{what} {shown(item)} depends on {shown(dependency)}, which is not defined beside it"
                )
            dependents[dependency].append(item)

    free = deque(item for item, count in missing.items() if count == 0)
    ordered: list[str] = []
    while free:
        item = free.popleft()
        ordered.append(item)
        for dependent in dependents[item]:
            missing[dependent] -= 1
            if missing[dependent] == 0:
                free.append(dependent)
    if len(ordered) < len(missing):
        stuck = sorted(item for item, count in missing.items() if count > 0)
        raise DefinitionError(f"these depend on each other in a circle or behind one: {what}s {', '.join(stuck)}")
    return tuple(ordered)
