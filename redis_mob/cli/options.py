"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from redis_mob.connection.servers.defaults import URL_VARIABLE

SEAL_KEYS_VARIABLE = "REDIS_MOB_SEAL_KEYS"

UrlOption = Annotated[
    str | None, typer.Option(metavar="URL", help="The storage.", envvar=URL_VARIABLE, show_default="embedded:")
]
SharedUrlOption = Annotated[
    str | None,
    typer.Option(
        metavar="URL", help="The storage: a server that others use too.", envvar=URL_VARIABLE, show_default=False
    ),
]
"""For commands that look for something that must exist, which `endings.shared_url` reads."""

NamespaceOption = Annotated[str, typer.Option(metavar="NAME", help="The part of the storage to use.")]
ConversationOption = Annotated[
    str | None,
    typer.Option(
        metavar="ID", help="The conversation that the run belongs to: one run of it at a time.", show_default=False
    ),
]
OnBusyOption = Annotated[
    str | None,
    typer.Option(
        metavar="POLICY",
        help="If a run of it is active: enqueue, as without this, reject, interrupt or rollback.",
        show_default=False,
    ),
]
SealKeysOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        envvar=SEAL_KEYS_VARIABLE,
        help="A file with the keys that seal the secrets of the namespace, one in each line, the newest first.",
        show_default=False,
    ),
]
FileArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help="A .toml or .json file, or module:mob.", show_default=False)
]
StrictOption = Annotated[bool, typer.Option("--strict", help="Let warnings about FILE count as errors.")]
HandlerOption = Annotated[
    str | None,
    typer.Option(
        metavar="MODULE:NAME",
        help="module:function for all roles, or module:dict from role to function.",
        show_default=False,
    ),
]
ConcurrencyOption = Annotated[
    int, typer.Option(metavar="N", help="Steps that one worker executes at once, up to 1000.")
]
LeaseOption = Annotated[
    float,
    typer.Option(metavar="SECONDS", help="Seconds until others take over the steps of a worker that was lost."),
]
DrainTimeoutOption = Annotated[
    float,
    typer.Option(
        metavar="SECONDS", help="Seconds that steps under way have after SIGTERM, before they are handed back."
    ),
]
WriteDurabilityOption = Annotated[
    str,
    typer.Option(metavar="DURABILITY", help="How safe each write is made: memory, fsync or replicas:N."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="End with one JSON object on standard output.")]
DurabilityOption = Annotated[
    str, typer.Option(help="What the storage is opened with: memory, fsync or replicas:N.", metavar="DURABILITY")
]

MobOption = Annotated[str | None, typer.Option(metavar="NAME", help="Only runs of this mob.", show_default=False)]
FlowOption = Annotated[str | None, typer.Option(metavar="NAME", help="Only runs of this flow.", show_default=False)]
StatusOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="STATUS",
        help="Only pending, running, completed, failed or canceled ones; may be repeated.",
        show_default=False,
    ),
]
SinceOption = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="Only runs created since then: ISO 8601, or 2h or 7d ago.", show_default=False),
]
UntilOption = Annotated[
    str | None, typer.Option(metavar="TIME", help="Only runs created before then.", show_default=False)
]
TextOption = Annotated[
    str | None,
    typer.Option(metavar="TEXT", help="Only runs whose parameters have this text.", show_default=False),
]
AttributeOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=VALUE", help="Only runs with this attribute; of several all must match.", show_default=False
    ),
]

EventMobOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="Only events of this mob.", show_default=False)
]
EventFlowOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="Only events of runs of this flow.", show_default=False)
]

RunsArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="RUN...", help="Their ids, or what these begin with.", show_default=False),
]
"""Of commands that also take the options that choose runs."""

YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Only show which runs the options choose.")]
JsonOfEachOption = Annotated[bool, typer.Option("--json", help="Print a JSON object for each run.")]

ParamsOption = Annotated[
    str | None, typer.Option(metavar="JSON", help="Parameters of the flow, as JSON.", show_default=False)
]
MembersOption = Annotated[
    list[str] | None,
    typer.Option(metavar="ROLE=N", help="How many members a role has, 1 unless given. Repeatable.", show_default=False),
]
VerboseOption = Annotated[
    bool, typer.Option("--verbose", "-v", help="Also print the tracebacks of what failed, as they were stored.")
]
MaxTokensOption = Annotated[
    int | None, typer.Option(metavar="N", help="How many tokens the calls of its handlers may use.", show_default=False)
]
MaxCostOption = Annotated[
    float | None,
    typer.Option(metavar="N", help="What these calls may cost, in the currency of the prices.", show_default=False),
]
