"""One history from beginning to end: servers, clients, a nemesis, and the verdict."""

from __future__ import annotations

import asyncio
import time
from random import Random

from redis_mob.connection.retry import RetryPolicy
from redis_mob.storage import MobStorage, OpeningStorage
from redis_mob.testing.robustness.clients import Opening, Traffic, running
from redis_mob.testing.robustness.deployment import NAMESPACE, deployed, is_replicated
from redis_mob.testing.robustness.judging import judge
from redis_mob.testing.robustness.nemeses import NEMESES
from redis_mob.testing.robustness.nemesis import Trouble
from redis_mob.testing.robustness.verdict import Setting, Verdict

PATIENCE = RetryPolicy(deadline=10.0, reply_timeout=1.0, connect_timeout=1.0)
"""How long the clients try a call again: longer than any trouble lasts."""


async def history(setting: Setting) -> Verdict:
    """Make one history of the stores and judge it. Raises KeyError for a nemesis that there is not."""
    verdict, kind = Verdict(setting), NEMESES[setting.nemesis]
    if verdict_skip := skipped(setting):
        verdict.skipped = verdict_skip
        return verdict
    began = time.monotonic()
    async with deployed(setting.topology, setting.durability, needs=kind.needs) as deployment:

        def opening() -> OpeningStorage:
            return MobStorage.open(deployment.url, namespace=NAMESPACE, durability=setting.durability, retry=PATIENCE)

        nemesis = kind(deployment, Random(setting.seed))
        traffic = await record(opening, nemesis, verdict)
    verdict.seconds = time.monotonic() - began
    began = time.monotonic()
    undone = is_replicated(deployment.service) and kind.may_lose
    await judge(traffic, verdict, reads_may_be_undone=undone)
    verdict.judged_in = time.monotonic() - began
    return verdict


def skipped(setting: Setting) -> str:
    """Why there can be no such history here; empty if there can."""
    kind = NEMESES[setting.nemesis]
    if setting.topology not in kind.topologies:
        return f"{setting.nemesis} does not break a {setting.topology} server"
    if setting.durability == "fsync" and setting.topology != "single" and kind.may_lose:
        return "what is on the disk of a primary is not on that of the replica which takes over"
    return kind.missing()


async def record(opening: Opening, trouble: Trouble, verdict: Verdict) -> Traffic:
    """What clients saw that called a storage while a nemesis broke it; for any storage that can be opened.

    The recoveries go into the verdict.
    """
    setting, random = verdict.setting, Random(f"{verdict.setting.seed}/runner")
    loses = trouble.may_lose and setting.may_lose
    async with running(opening, seed=setting.seed, clients=setting.clients, operations=setting.operations) as traffic:
        calm = max(20, setting.operations // (2 * setting.disruptions + 1))
        for _ in range(setting.disruptions):
            if loses:
                await trouble.prepare()
            await traffic.proceed(random.randint(calm // 2, calm))
            if loses:
                trouble.cutting = traffic.begin_no_calls
            await trouble.begin()
            await asyncio.sleep(trouble.seconds)
            ended = time.monotonic_ns()
            await trouble.end()
            await asyncio.gather(trouble.heal(), _recovered(traffic, ended, verdict, loses=loses))
            if loses:
                await traffic.may_have_gone_back()
        await traffic.finish()
    return traffic


async def _recovered(traffic: Traffic, ended: int, verdict: Verdict, *, loses: bool) -> None:
    """Wait for the first answer after a trouble; where no call may begin, none is waited for."""
    if not loses:
        await traffic.recovered(ended)
        verdict.recoveries.append((traffic.answered - ended) / 1e9)
