"""What `redis-mob migrate` does and says: lines for people, one JSON object for programs."""

from __future__ import annotations

from pathlib import Path

from redis_mob.cli.arguments import read_seal_keys
from redis_mob.cli.columns import print_columns
from redis_mob.cli.console import printable, stderr_console
from redis_mob.cli.endings import errors_told, print_line, say, shared_url
from redis_mob.cli.exit_status import ExitStatus
from redis_mob.cli.results import result_of
from redis_mob.migration.migrating import Migrated, check_migration, migrate
from redis_mob.migration.namespace_format import NamespaceFormat, Standing
from redis_mob.models.base import json_text
from redis_mob.version import NAMESPACE_SCHEMA, __version__

_OFTEN = 10_000
"""How many runs are migrated between two lines that tell the progress."""

_ENDS = {
    Standing.CURRENT: ExitStatus.COMPLETED,
    Standing.NEEDED: ExitStatus.FAILED,
    Standing.IMPOSSIBLE: ExitStatus.USAGE,
}


def migrate_namespace(
    url: str | None, namespace: str, seal_keys: Path | None, *, check: bool, json: bool
) -> ExitStatus:
    """Migrate a namespace, or only tell what that would do; returns how the command ends. Errors are told."""
    console = stderr_console()

    def progress(runs: int) -> None:
        if runs % _OFTEN == 0:
            say(console, f"{runs:,} runs are done")

    with errors_told(console):
        address = shared_url(url, of_memory="nothing is stored there")
        if check:
            before = result_of(check_migration(address, namespace))
            done = Migrated(before, before, 0)
        else:
            done = result_of(migrate(address, namespace, read_seal_keys(seal_keys), progress=progress))
    print_line(json_text(_object(done)) if json else "\n".join(map(printable, _lines(done, check=check))))
    if not json:
        _show_workers(done.after)
    return _ENDS[done.after.standing]


def _lines(done: Migrated, *, check: bool) -> list[str]:
    before, after = done.before, done.after
    lines = [
        f"namespace {after.namespace} has schema version {after.schema}; this release reads up to {NAMESPACE_SCHEMA}"
    ]
    if before.under_way is not None:
        lines.append(f"a migration has begun and not ended: {before.under_way.done:,} runs are done")
    if check or before.obstacles:
        lines += [f"impossible: {obstacle}" for obstacle in before.obstacles]
        lines += [f"would {change}" for change in before.changes]
    else:
        left = set(after.changes)
        lines += [f"done: {change}" for change in before.changes if change not in left]
    if not check:
        lines += [f"left: {change}" for change in after.changes]
    if after.standing is Standing.CURRENT:
        lines.append("nothing is left to do")
    return lines


def _show_workers(found: NamespaceFormat) -> None:
    others = [one for one in found.workers if one.is_of_another_release]
    if not others:
        return
    print_line(f"workers of another release than {__version__}:")
    rows = [
        (
            one.record.id,
            one.record.host,
            one.record.version or "-",
            str(one.record.reads_schema),
            "yes" if one.can_go_on else "no",
        )
        for one in others
    ]
    print_columns(
        ("WORKER", "HOST", "VERSION", "READS SCHEMA", "CAN GO ON"), rows, right=("READS SCHEMA",), ids=("WORKER",)
    )


def _object(done: Migrated) -> dict[str, object]:
    found = done.after
    return {
        "namespace": found.namespace,
        "version": __version__,
        "schema_version": found.schema,
        "newest_schema_version": NAMESPACE_SCHEMA,
        "standing": found.standing,
        "changes": found.changes,
        "obstacles": found.obstacles,
        "old_runs": found.old_runs,
        "migrated_runs": done.runs,
        "under_way": None if found.under_way is None else {"runs_done": found.under_way.done},
        "workers": [
            {
                "worker": one.record.id,
                "host": one.record.host,
                "version": one.record.version,
                "reads_schema_version": one.record.reads_schema,
                "can_go_on": one.can_go_on,
                "is_of_another_release": one.is_of_another_release,
            }
            for one in found.workers
        ],
    }
