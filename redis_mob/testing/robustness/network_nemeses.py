"""Troubles of the network between clients and server: in single requests, and in all packets of a direction."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from redis_mob.testing.faults import Fault, at_random
from redis_mob.testing.robustness import network
from redis_mob.testing.robustness.nemesis import Nemesis


class Requests(Nemesis):
    name = "requests"
    about = "one request in ten is cut off, truncated, swallowed, delayed or late, each in one of eight ways"
    topologies = ("single",)
    needs = "proxy"
    faults: ClassVar[tuple[Fault, ...]] = tuple(sorted(set(Fault) - {Fault.NONE}, key=lambda fault: fault.value))
    one_in: ClassVar[int] = 10

    async def begin(self) -> None:
        assert self.deployment.proxy is not None, "the deployment was asked for a proxy"
        self.deployment.proxy.plan = at_random(
            seed=self.random.randrange(1 << 30), one_in=self.one_in, faults=self.faults
        )

    async def end(self) -> None:
        assert self.deployment.proxy is not None, "the deployment was asked for a proxy"
        self.deployment.proxy.plan = lambda _request: Fault.NONE
        # those that were swallowed would stay dead until their clients give them up
        self.deployment.proxy.cut_all()
        await self.deployment.proxy.all_arrived()

    @property
    def seconds(self) -> float:
        return self.random.uniform(1.0, 2.0)


class RepliesLost(Requests):
    name = "replies-lost"
    about = "one request in four is executed, and its reply never comes: the proxy cuts one direction"
    faults = (Fault.REPLY_DROPPED, Fault.CUT_AFTER)
    one_in = 4


class RequestsLost(Requests):
    name = "requests-lost"
    about = "one request in four never arrives: the proxy cuts the other direction"
    faults = (Fault.BLACK_HOLE, Fault.CUT_BEFORE)
    one_in = 4


class Partition(Nemesis):
    name = "partition"
    about = "no packet passes between clients and server (a network namespace of its own), in either direction"
    topologies = ("single",)
    needs = "network"
    requests: ClassVar[bool] = True
    replies: ClassVar[bool] = True

    @classmethod
    def missing(cls) -> str:
        return network.missing()

    @property
    def seconds(self) -> float:
        return self.random.uniform(0.5, 2.5)

    async def begin(self) -> None:
        assert self.deployment.network is not None, "the deployment was asked for a network"
        await asyncio.to_thread(self.deployment.network.cut, requests=self.requests, replies=self.replies)

    async def end(self) -> None:
        assert self.deployment.network is not None, "the deployment was asked for a network"
        await asyncio.to_thread(self.deployment.network.heal)


class PartitionOfReplies(Partition):
    name = "partition-replies"
    about = "requests arrive and are executed, and no packet comes back"
    requests = False


class PartitionOfRequests(Partition):
    name = "partition-requests"
    about = "no request arrives, and what the server has sent still comes"
    replies = False
