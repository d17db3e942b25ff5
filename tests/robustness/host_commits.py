"""Writers of one realm commit to a host store through a network that loses requests, and fence each other out.

Each writer has a scope of its own, and one that all share. It sends each batch until it has an answer: a batch whose
outcome is unknown is sent again under its id, as Core of meerkat does. Writers that are fenced out acquire again. What
was answered is compared in the end with the rows of all scopes: none is lost, none is there twice, and each version
has one commit.

    python -m tests.robustness.host_commits [--seed 7] [--commits 20000] [--one-in 10]
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections import Counter
from contextlib import AsyncExitStack
from random import Random

from redis_mob.connection.embedded.server import EmbeddedServer
from redis_mob.contracts import HostStore
from redis_mob.contracts.host_errors import HostConflictError, HostFencedOutError
from redis_mob.errors import WriteFailedError
from redis_mob.models.host import AcquireMode, ScopeRef, ScopeUpdate
from redis_mob.storage import MobStorage
from redis_mob.testing.faults import Fault, FaultProxy, at_random, fault_proxy, in_order
from redis_mob.testing.samples.host import batch, changed, created, mob_scope, record_scope
from tests.robustness.faults import ANY_FAULT, IMPATIENT, OFTEN_LATE, PATIENT
from tests.robustness.report import Report, parser, run_program

WRITERS = 8
SHARED = record_scope("shared")
TAKES_OVER = 200
"""One commit in so many is preceded by a takeover, which fences all writers out."""


class Realm:
    """What was answered to all writers."""

    def __init__(self, commits: int, random: Random) -> None:
        self.left = commits
        self.random = random
        self.token = 0
        self.landed: dict[ScopeRef, list[str]] = {}
        """The commits of each scope in the order of its versions, as the writers were told."""
        self.refused = set[str]()
        """The commits that a writer was told had not happened, and gave up."""
        self.ends: Counter[str] = Counter()

    def update(self, scope: ScopeRef, commit: str) -> ScopeUpdate:
        """What appends one row to a scope."""
        version = len(self.landed.get(scope, ()))
        return changed(scope, version, commit.encode()) if version else created(scope, commit.encode(), head=b"h")


async def _acquire(realm: Realm, host: HostStore) -> None:
    """Take the fence; a token that is not told is one that no writer has."""
    while True:
        try:
            grant = await host.acquire_fence(AcquireMode.TAKEOVER)
        except WriteFailedError:
            realm.ends["acquire sent again"] += 1
            continue
        realm.token = max(realm.token, grant.token)
        return


async def _settle(realm: Realm, host: HostStore, commit: str, updates: list[ScopeUpdate]) -> bool:
    """Send a batch until it is known what became of it; whether it landed."""
    while True:
        try:
            is_new = await host.commit(batch(commit, realm.token, *updates))
        except HostFencedOutError:
            realm.ends["fenced out"] += 1
            await _acquire(realm, host)
        except HostConflictError:
            realm.ends["conflict"] += 1
            realm.refused.add(commit)
            return False
        except WriteFailedError as error:
            realm.ends[type(error).__name__] += 1
        else:
            realm.ends["landed" if is_new else "had landed"] += 1
            return True


async def _write(realm: Realm, host: HostStore, own: ScopeRef, shared: asyncio.Lock, number: int) -> None:
    """Commit until all is committed; one commit in four is one of two scopes."""
    sent = 0
    while realm.left > 0:
        realm.left -= 1
        sent += 1
        commit = f"{number}-{sent}"
        if not realm.random.randrange(TAKES_OVER):
            await _acquire(realm, host)
        if realm.random.randrange(4):
            await _commit(realm, host, commit, [own])
        else:
            async with shared:
                await _commit(realm, host, commit, [own, SHARED])


async def _commit(realm: Realm, host: HostStore, commit: str, scopes: list[ScopeRef]) -> None:
    if await _settle(realm, host, commit, [realm.update(scope, commit) for scope in scopes]):
        for scope in scopes:
            realm.landed.setdefault(scope, []).append(commit)


async def judge(report: Report, realm: Realm, host: HostStore) -> None:
    """Write down what is lost, and what is there twice or though it was refused."""
    lost = doubled = 0
    for scope, commits in realm.landed.items():
        rows = [row.decode() for row in await host.read_rows(scope, limit=len(commits) + 1000)]
        head = await host.load_head(scope)
        lost += len(set(commits) - set(rows))
        doubled += len(rows) - len(set(rows))
        if rows != commits:
            report.broken.append(f"{scope} has {len(rows)} rows, and {len(commits)} were acknowledged in this order")
        if head is None or (head.version, head.commit_id) != (len(commits), commits[-1]):
            report.broken.append(f"{scope} has the head {head}, and {len(commits)} commits")
        if came := realm.refused.intersection(rows):
            report.broken.append(f"{scope} has rows of commits that were refused: {sorted(came)[:5]}")
    if realm.refused:
        report.broken.append(f"{len(realm.refused)} commits met a conflict, and no writer had made one")
    report.figures |= {"lost": lost, "doubled": doubled, "answers": dict(realm.ends)}


async def run(*, seed: int, commits: int = 20_000, one_in: int = 10) -> Report:
    """Run the program on a server of its own."""
    report, realm = Report("host_commits", seed), Realm(commits, Random(seed))
    server = await EmbeddedServer.start()
    proxies = list[FaultProxy]()
    try:
        async with AsyncExitStack() as stack:
            hosts = list[HostStore]()
            for number in range(WRITERS):
                proxy = await stack.enter_async_context(fault_proxy(server.url, delay=(0.005, 0.3)[number // 2 % 2]))
                retry = IMPATIENT if number % 2 else PATIENT
                opening = MobStorage.open(proxy.url, namespace="realm", retry=retry)
                hosts.append((await stack.enter_async_context(opening)).host)
                proxies.append(proxy)
            await _acquire(realm, hosts[0])
            for number, proxy in enumerate(proxies):
                faults = OFTEN_LATE if number % 2 else ANY_FAULT
                proxy.plan = at_random(seed=seed + number, one_in=one_in, faults=faults)
            before, shared = time.monotonic(), asyncio.Lock()
            async with asyncio.TaskGroup() as writers:
                for number, host in enumerate(hosts):
                    writers.create_task(_write(realm, host, mob_scope(f"{number}"), shared, number))
            seconds = time.monotonic() - before
            for proxy in proxies:
                proxy.plan = in_order(())
                await proxy.all_arrived()
            report.figures |= {
                "commits": commits,
                "seconds": round(seconds, 1),
                "requests by fault": {fault.value: sum(one.count(fault) for one in proxies) for fault in Fault},
            }
            await judge(report, realm, hosts[0])
    finally:
        await server.aclose()
    return report


async def main(options: argparse.Namespace) -> Report:
    return await run(seed=options.seed, commits=options.commits, one_in=options.one_in)


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--commits", type=int, default=20_000)
    arguments.add_argument("--one-in", type=int, default=10)
    run_program(arguments.parse_args(), main)
