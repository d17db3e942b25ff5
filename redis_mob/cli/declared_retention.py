"""`redis-mob retention apply`: the policies that a definition declares are set in the place of stored ones."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from redis_mob.cli.existing import existing
from redis_mob.cli.run_input import mob_input
from redis_mob.errors import ValidationError
from redis_mob.models.retention import Group, PruneReport, RetentionPolicies, RetentionPolicy
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.security.sealing import SealKeyring
from redis_mob.storage import MobStorage

Declared = Mapping[Group, RetentionPolicy]


def declared_in(file: Path | None, others: Mapping[str, str | None], console: Console) -> Declared:
    """The policies that FILE declares, which is given without other options.

    Raises ValidationError if it is not given so, or declares none, and DefinitionError for what it says.
    """
    if file is None:
        raise ValidationError(
            "retention apply needs FILE: a .toml or .json file with a [retention] table, or module:mob"
        )
    if given := [f"--{name.replace('_', '-')}" for name, value in others.items() if value is not None]:
        raise ValidationError(f"retention apply takes no {', '.join(given)}: FILE says all of it")
    found = mob_input(file, console, strict=False)
    declared = found.retention.of_mob(found.definition.id)
    if not declared:
        raise ValidationError(
            f'{file} declares no retention: write a table [retention], as completed = "7d", or one for a flow, '
            "[retention.flows.NAME]"
        )
    return declared


async def apply(url: str, namespace: str, seal_keys: SealKeyring | None, declared: Declared) -> RetentionPolicies:
    """Set all of these, one after the other, and return them as they are stored."""
    async with MobStorage.open(url, namespace=namespace, seal_key=seal_keys) as storage:
        admin = FleetAdmin(storage)
        for group, policy in declared.items():
            mob, flow = group if isinstance(group, tuple) else (group, None)
            await admin.set_retention(policy, mob, flow)
        stored = await admin.retention()
    return RetentionPolicies(
        stored.now,
        None,
        {mob: policy for mob, policy in stored.of_mobs.items() if mob in declared},
        {flow: policy for flow, policy in stored.of_flows.items() if flow in declared},
    )


async def try_out(url: str, namespace: str, seal_keys: SealKeyring | None, declared: Declared) -> PruneReport:
    """What workers would delete at once if all of these were set."""
    async with existing(url, namespace, seal_keys) as storage:
        admin = FleetAdmin(storage)
        policies = await admin.retention()
        for group, policy in declared.items():
            policies = policies.with_policy(group, policy)
        return await admin.prune(dry_run=True, policies=policies)
