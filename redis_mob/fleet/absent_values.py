"""Tells of messages that name values which do not exist in their run (contract: kernel-37, engine-9)."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator

from redis_mob.errors import shown
from redis_mob.fleet.said import bounded
from redis_mob.kernel.templates import Placeholder
from redis_mob.models.execution import Execution
from redis_mob.models.transition import Transition

LOGGER = logging.getLogger(__name__)

_LONGEST = 1000
"""Bytes of all placeholders together that a sentence names."""


def named(placeholders: Iterable[str | Placeholder]) -> str:
    """Placeholders, or their paths, for a message."""
    spelled = (f"{{{{ {one} }}}}" if isinstance(one, str) else str(one) for one in placeholders)
    return bounded(", ".join(dict.fromkeys(spelled)), _LONGEST)


def not_there(absent: Iterable[Placeholder]) -> str:
    """Why a step fails whose message must not name what does not exist."""
    return f"its message names what does not exist: {named(absent)}; without strict = true it gets null there"


def warnings_of(executions: Iterable[Execution]) -> Iterator[str]:
    """A sentence for each step of these whose message has `null` where it names what did not exist, each once."""
    found = dict.fromkeys((one.step_id, one.absent) for one in executions if one.absent)
    for step_id, absent in found:
        yield (
            f"step {shown(step_id)}: its message has null for {named(absent)}, which did not exist; with "
            "strict = true the step fails"
        )


def log_absent(worker: str, transition: Transition) -> None:
    """Write one record for each step that a transition has dispatched with such a message, at WARNING."""
    before, run_id = transition.before.executions, transition.run.run_id
    new = (one for key, one in transition.executions.items() if one.absent and key not in before)
    for warning in warnings_of(one for one in new if _is_news(one)):
        LOGGER.warning("worker %s: run %s: %s", worker, run_id, warning)


def _is_news(execution: Execution) -> bool:
    """Whether this is not told with another item of the same step: only the item itself differs."""
    item = execution.item
    return item is None or item.index == 0 or any(path.partition(".")[0] == "item" for path in execution.absent)
