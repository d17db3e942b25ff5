"""Runs ended, deleted, and started anew from a step."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from redis_mob.codec.arguments import duration, flag, text
from redis_mob.models.conversation import Conversation, OnBusy
from redis_mob.models.definition import MobDefinition
from redis_mob.models.labels import AttributeValue, LabelChange
from redis_mob.operations import deletion, ending
from redis_mob.operations.admin.base import AdminBase
from redis_mob.operations.deletion import KEY_KEPT
from redis_mob.operations.forking import UNCHANGED, ForkOrder, Unchanged, fork


class RunSteering(AdminBase):
    """Ends runs, deletes them, and starts them anew from a step."""

    async def cancel(self, run_id: str, *, wait: bool = False) -> bool:
        """Ask for the cancellation of a run; a worker carries it out, or this call if none is alive.

        False if the run is over already. With `wait` it is over when this returns: where a worker is alive and does not
        end it within five seconds, this call does (contract: operations-43). A run that no fleet has started is
        canceled at once. Raises NotFoundError if there is no such run, or no worker and no definition of it.
        """
        return await ending.cancel(self._storage, text("run_id", run_id), wait=flag("wait", wait))

    async def terminate(self, run_id: str) -> bool:
        """Cancel a run at once, by one transition: no handler is waited for, and no outcome counts that comes after it.

        Workers cancel the handlers that they have under way (contract: operations-44). False if the run is over, or was
        completed or failed meanwhile. Raises NotFoundError if there is no such run, or its definition is gone.
        """
        return await ending.terminate(self._storage, text("run_id", run_id))

    async def delete(
        self, run_id: str, *, cancel: bool = False, keep_key: bool = False, keep_for: timedelta = KEY_KEPT
    ) -> None:
        """Delete a run with everything that belongs to it; nothing of it is left (contract: operations-40).

        One that is not over is refused, or terminated before with `cancel`. Its idempotency key is free then, unless
        `keep_key` is given: then the key gives the id of the deleted run, and starts no other one, for the time of
        `keep_for`. If this was interrupted, calling it again goes on.
        Raises NotFoundError if there is no such run, CasConflictError for one that is not over.
        """
        kept = duration("keep_for", keep_for)
        await deletion.delete(
            self._storage,
            text("run_id", run_id),
            cancel=flag("cancel", cancel),
            keep_id_for=kept if flag("keep_key", keep_key) else None,
        )

    async def set_attributes(self, run_id: str, attributes: Mapping[str, AttributeValue | None]) -> None:
        """Set attributes of a run, also of one that is over: texts, numbers or truth values by name; None removes one.

        Others stay as they are (contract: operations-140). Raises NotFoundError if there is no such run,
        ValidationError for a name or value that is none, CasConflictError if it would have more than 32 attributes.
        """
        await self._storage.executions.set_labels(text("run_id", run_id), LabelChange(attributes))

    async def set_summary(self, run_id: str, summary: str | None) -> None:
        """Set the summary of a run, which lists show, in at most 1,000 characters; None removes it. Raises likewise."""
        change = LabelChange(summary=summary, sets_summary=True)
        await self._storage.executions.set_labels(text("run_id", run_id), change)

    async def unfinished_deletions(self) -> tuple[str, ...]:
        """The runs whose deletion goes on or was interrupted: `delete` goes on with each of them."""
        return await self._storage.steering.deletions()

    async def fork(
        self,
        run_id: str,
        from_step: str | None = None,
        *,
        params: Any = UNCHANGED,
        definition: MobDefinition | None = None,
        idempotency_key: str | None = None,
        priority: int | None = None,
        at: datetime | None = None,
        release: str | Unchanged | None = UNCHANGED,
        attributes: Mapping[str, AttributeValue] | Unchanged | None = UNCHANGED,
        summary: str | Unchanged | None = UNCHANGED,
        conversation: str | Conversation | Unchanged | None = UNCHANGED,
        on_busy: OnBusy | str | None = None,
    ) -> str:
        """Start a new run of the same flow that takes over what a run which is over has completed; return its id.

        A step or loop that is named runs anew with all that runs after it, in any case; without one, all that has not
        completed does (contract: operations-60). What else completed is carried over with its output, and asks no
        member. The run that it comes from stays as it is, and may be deleted.

        What is not given is as it is for that run: its parameters, its definition, its priority, its release, its
        attributes and its summary. Steps
        that are carried over keep what they gave, also if they would give something else with other parameters or by
        another definition. The same idempotency key always gives the same run.

        Of a run that is in a conversation it has to be said in which one the new run is: `None`, or one of the same
        flow, in which it waits, or takes the place of others, as `on_busy` says (contract: conversation-8).

        Raises NotFoundError for an unknown run, or a step that the flow does not have; CasConflictError for a run that
        is not over; ConversationBusyError as `Fleet.start`; SerializationError if an output is gone that is to be
        carried over; DefinitionError as `Fleet`;
        ValidationError for a step in a loop, which runs anew as a whole, for a definition without a place for what is
        carried over, if nothing would run anew, for an idempotency key of another fork, and as `Fleet.start`.
        """
        order = ForkOrder.of(
            from_step,
            params,
            definition,
            idempotency_key,
            priority=priority,
            at=at,
            release=release,
            attributes=attributes,
            summary=summary,
            conversation=conversation,
            on_busy=on_busy,
        )
        return await fork(self._storage, run_id, order)
