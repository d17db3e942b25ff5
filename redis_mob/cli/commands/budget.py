"""The options of `redis-mob budget`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from redis_mob.cli.options import NamespaceOption, SealKeysOption, SharedUrlOption

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis_mob.operations.budget_lines import BudgetLine
    from redis_mob.operations.fleet_admin import FleetAdmin

_BOUND = "or none to take the bound away."


def budget(
    run: Annotated[
        str | None,
        typer.Argument(metavar="RUN", help="Its id, or what that begins with. Without one: shared budgets."),
    ] = None,
    max_tokens: Annotated[
        str | None, typer.Option(metavar="N", help=f"How many tokens, {_BOUND}", show_default=False)
    ] = None,
    max_cost: Annotated[
        str | None, typer.Option(metavar="N", help=f"How much, in the currency of the prices, {_BOUND}")
    ] = None,
    max_tool_calls: Annotated[str | None, typer.Option(metavar="N", help=f"How many calls of tools, {_BOUND}")] = None,
    max_time: Annotated[
        str | None, typer.Option(metavar="TIME", help=f"How long handlers may run, as 10m or 2h, {_BOUND}")
    ] = None,
    on_exceeded: Annotated[
        str | None,
        typer.Option(metavar="WHAT", help="What follows when nothing is left: pause or fail."),
    ] = None,
    currency: Annotated[str | None, typer.Option(metavar="NAME", help="Of --max-cost, where no prices say it.")] = None,
    role: Annotated[str | None, typer.Option(metavar="NAME", help="The budget of this role within the run.")] = None,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="The shared budget of this name that the run draws on.")
    ] = None,
    forget: Annotated[
        bool, typer.Option("--forget", help="Remove the account of --mob, --name and --key; the next run begins anew.")
    ] = False,
    mob: Annotated[str | None, typer.Option(metavar="NAME", help="Of --forget: the mob.")] = None,
    key: Annotated[str | None, typer.Option(metavar="TEXT", help="Of --forget: the key of the shared budget.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON object for each account.")] = False,
    url: SharedUrlOption = None,
    namespace: NamespaceOption = "default",
    seal_keys: SealKeysOption = None,
) -> None:
    """Show what calls have used of budgets, or allow more.

    With a bound, the budget gets that, and all runs that it has paused go on. What was used stays.

    Exit status: 0 shown or changed, 1 nothing was there to forget, or a call draws on it, 2 usage error or an unknown
    run, 3 storage unavailable.
    """
    from redis_mob.cli.admin_call import call_admin
    from redis_mob.cli.budgets import bound, is_change, show_budgets, still_used_up
    from redis_mob.cli.console import stderr_console
    from redis_mob.cli.endings import errors_told, say
    from redis_mob.cli.exit_status import ExitStatus
    from redis_mob.cli.run_argument import run_id_of
    from redis_mob.errors import ValidationError
    from redis_mob.operations.forking import UNCHANGED

    console = stderr_console()
    with errors_told(console):
        tokens, cost = bound("--max-tokens", max_tokens, int), bound("--max-cost", max_cost, float)
        calls, time = bound("--max-tool-calls", max_tool_calls, int), bound("--max-time", max_time, str)
        policy = UNCHANGED if on_exceeded is None else on_exceeded
        changes = is_change(tokens, cost, calls, time, policy)
        if forget and (run is not None or changes or not (mob and name and key)):
            raise ValidationError("--forget takes --mob, --name and --key, and no run and no bound")
        if run is None and not forget and (changes or role is not None or name is not None):
            raise ValidationError("name the run whose budget it is: redis-mob budget RUN --max-cost 5")

    async def act(admin: FleetAdmin) -> tuple[Sequence[BudgetLine], Sequence[str], bool]:
        if forget:
            return (), (), await admin.forget_budget(mob or "", name or "", key or "")
        if run is None:
            return await admin.shared_budgets(), (), True
        run_id, resumed = await run_id_of(admin, run), ()
        if changes:
            resumed = await admin.set_budget(
                run_id,
                role=role,
                name=name,
                max_tokens=tokens,
                max_cost=cost,
                max_tool_calls=calls,
                max_time=time,
                on_exceeded=policy,
                currency=currency,
            )
        lines = await admin.budget(run_id)
        wanted = [one for one in lines if (role, name) in ((None, None), (one.role, one.name))]
        return wanted, resumed, True

    def tell(done: tuple[Sequence[BudgetLine], Sequence[str], bool]) -> None:
        lines, resumed, is_done = done
        if forget:
            say(console, "forgotten" if is_done else "there is no such account")
            raise typer.Exit(ExitStatus.COMPLETED if is_done else ExitStatus.FAILED)
        show_budgets(lines, json=as_json)
        for one in resumed:
            say(console, f"run {one} goes on")
        if changes and not resumed:
            for line in lines:
                if line.is_exceeded:
                    say(console, f"note: {still_used_up(line)}")

    call_admin(url, namespace, seal_keys, act, tell, of_memory="no other process has a run there")
