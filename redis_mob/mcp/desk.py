"""What a client may do here, and the calls that follow a run: flows that were started, runs that are asked about."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from mcp import MCPError
from mcp.types import CallToolResult, ElicitRequest, ElicitResult, InputRequiredResult
from mcp.types.version import MODERN_PROTOCOL_VERSIONS

from redis_mob.errors import CasConflictError, NotFoundError, ValidationError, shown
from redis_mob.fleet.fleet import Fleet
from redis_mob.mcp.elicitation import answer_in, form_of
from redis_mob.mcp.following import follow, view_of
from redis_mob.mcp.run_handle import MOST_ASKS, asks_of, handle_of
from redis_mob.mcp.tool import Answer, Call, answer_of
from redis_mob.models.ask import PendingAsk
from redis_mob.models.transition import RunView
from redis_mob.operations.asks import GivenAnswer
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.storage import MobStorage


@dataclass(frozen=True, slots=True)
class Desk:
    """The namespace, the fleet whose flows are tools, and what clients may do (contract: mcp-3).

    `wait` is how many seconds a call follows a run. Without `operates` a client steers runs of `mob_id` alone, and
    answers what these ask only if it `answers`, or its user does.
    """

    storage: MobStorage
    fleet: Fleet | None
    mob_id: str | None
    wait: float
    answers: bool
    operates: bool

    @property
    def admin(self) -> FleetAdmin:
        """The namespace as operators see it."""
        return FleetAdmin(self.storage)

    def may_steer(self, view: RunView) -> bool:
        """Whether a client may steer a run."""
        return self.operates or view.run.mob_id == self.mob_id

    async def steered(self, run_id: str) -> RunView:
        """A run that a client may steer. Raises NotFoundError, and ValidationError for one that it may not."""
        view = await view_of(self.storage, run_id)
        if not self.may_steer(view):
            own = "serves no flows" if self.mob_id is None else f"serves mob {shown(self.mob_id)}"
            raise ValidationError(
                f"run {view.run.run_id} is of mob {shown(view.run.mob_id)}, and this server {own}: it steers runs of "
                "other mobs only when it was started with --operate"
            )
        return view

    async def followed(self, call: Call, run_id: str, seconds: float | None = None) -> Answer:
        """What became of a run in a while. What it asks is put to the person at the client, if that shows forms."""
        taken = await self._take_forms(call, run_id)
        while True:
            view = await follow(self.storage, run_id, self.wait if seconds is None else seconds, call.tell)
            asks = asks_of(view) if call.shows_forms and self.may_steer(view) and taken is not False else []
            if not asks:
                return await self.told(view)
            if call.ctx.session.protocol_version in MODERN_PROTOCOL_VERSIONS:
                forms = {one.ask.id: ElicitRequest(params=form_of(one)) for one in asks[:MOST_ASKS]}
                return InputRequiredResult(input_requests=dict(forms), request_state=run_id)
            taken = await self._take(call, asks[0], await _form(call, asks[0]))

    async def told(self, view: RunView) -> CallToolResult:
        """The handle of a run as it was read."""
        return answer_of((await handle_of(self.storage, view)).as_json())

    async def _take_forms(self, call: Call, run_id: str) -> bool | None:
        """Take the forms that came with a call; False if there are some and none of them has an answer."""
        given = call.params.input_responses
        if call.params.request_state is None or given is None:
            return None
        pending = {one.ask.id: one for one in asks_of(await self.steered(run_id))}
        results = [(pending[name], one) for name, one in given.items() if name in pending]
        taken = [await self._take(call, one, result) for one, result in results if isinstance(result, ElicitResult)]
        return any(taken) or not taken

    async def _take(self, call: Call, pending: PendingAsk, result: ElicitResult) -> bool:
        """Give the answer of a form, unless it has none; one that another person has answered meanwhile stays so."""
        given = answer_in(pending, result, call.by)
        if given is None:
            return False
        with suppress(CasConflictError, NotFoundError):
            await self.give(pending.run_id, pending.ask.id, given)
        return True

    async def give(self, run_id: str, ask_id: str, given: GivenAnswer) -> bool:
        """Answer an ask. Raises as `FleetAdmin.answer`."""
        return await self.admin.answer(
            ask_id, approved=given.approved, value=given.value, message=given.message, by=given.by, run_id=run_id
        )


async def _form(call: Call, pending: PendingAsk) -> ElicitResult:
    form = form_of(pending)
    try:
        return await call.ctx.session.elicit_form(form.message, form.requested_schema, call.ctx.request_id)
    except MCPError:  # a client that cannot show it after all: the ask stays pending
        return ElicitResult(action="cancel")
