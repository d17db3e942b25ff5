"""Which server of a service holds all namespaces: the primary that its Sentinels name."""

from __future__ import annotations

from collections.abc import Sequence

from redis_mob.codec.hashes import as_mapping
from redis_mob.connection.failures import (
    NotSentError,
    ServerRefusalError,
    TransportError,
    UnreachableError,
    UnsettledError,
)
from redis_mob.connection.servers.address import SentinelAddress, ServerAddress, TcpAddress
from redis_mob.connection.servers.discovery import DiscoveringLocator, ask_server, none_answered
from redis_mob.connection.servers.locator import Again
from redis_mob.errors import shown


class SentinelLocator(DiscoveringLocator):
    """The primary of a service: the server that a Sentinel names, and that says of itself that it is the primary.

    Asks the Sentinels of the URL, then those that they know.
    """

    def __init__(self, address: SentinelAddress) -> None:
        self._address = address
        self._service = address.service
        self._seeds = [address.sentinel(host, port) for host, port in address.sentinels]
        super().__init__(self._seeds, f"Sentinel of {shown(self._service)}")

    def again(self, error: TransportError, at: ServerAddress) -> Again | None:
        match error:
            case UnreachableError() | ServerRefusalError(code="READONLY" | "MASTERDOWN" | "LOADING" | "NOREPLICAS"):
                # asked again in the next attempt, because the Sentinels may name another primary by then
                self.forget()
                return Again()
            case _:
                return None

    async def _ask_around(self) -> TcpAddress:
        failures: list[TransportError] = []
        checked: set[TcpAddress] = set()
        answers = 0
        for sentinel in list(self._informants):
            try:
                named = await self._named_by(sentinel)
            except TransportError as error:
                self._ask_last(sentinel)
                # only seeds are told of, since the others may have addresses of a network that this process is not in
                if sentinel in self._seeds:
                    failures.append(error)
                continue
            answers += 1
            # each server is checked once, since its own answer would be the same for every Sentinel that names it
            if named is None or named in checked:
                continue
            checked.add(named)
            # a Sentinel that was cut off names the old primary for a while, so that the server is asked itself
            try:
                await _check_primary(named, sentinel)
            except TransportError as error:
                failures.append(error)
                continue
            await self._learn(sentinel)
            return named
        if answers and not checked:
            asked = ", ".join(sentinel.endpoint for sentinel in self._seeds)
            raise NotSentError(
                f"no Sentinel of {asked} that answers knows a service {shown(self._service)}: is its name right?"
            )
        if not answers:
            raise none_answered(f"Sentinel of {shown(self._service)}", failures)
        failure = none_answered(f"primary of {shown(self._service)}", failures)
        # Sentinels answer and the primary does not: tried again, because a failover may be under way
        raise UnsettledError(failure) if isinstance(failure, UnreachableError) else failure

    async def _named_by(self, sentinel: TcpAddress) -> TcpAddress | None:
        """The server that a Sentinel takes for the primary; None if it does not know the service."""
        try:
            named: Sequence[bytes] | None = await ask_server(
                sentinel, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._service
            )
        except ServerRefusalError as refusal:
            raise ServerRefusalError(
                refusal.code,
                f"{refusal.text}, says Sentinel {sentinel.endpoint}, where we log in with the options sentinel_user "
                "and sentinel_password",
            ) from refusal.__cause__
        return None if named is None else self._address.server(named[0].decode(), int(named[1]))

    async def _learn(self, sentinel: TcpAddress) -> None:
        """Remember which other Sentinels there are now, according to this one, which need not say it."""
        try:
            told: Sequence[Sequence[bytes]] = await ask_server(sentinel, "SENTINEL", "SENTINELS", self._service)
        except TransportError:
            # no error, since the primary is found: what this would add helps only when the known Sentinels are gone
            return
        others = [as_mapping(fields) for fields in told]
        learned = [self._address.sentinel(other[b"ip"].decode(), int(other[b"port"])) for other in others]
        known = [one for one in self._informants if one in self._seeds or one in learned or one == sentinel]
        self._informants = list(dict.fromkeys([*known, *learned]))


async def _check_primary(named: TcpAddress, told_by: TcpAddress) -> None:
    """Raises UnreachableError if the server says that it is something else than a primary."""
    role, *_ = await ask_server(named, "ROLE")
    if role != b"master":
        raise UnreachableError(
            f"{named.endpoint}, which Sentinel {told_by.endpoint} names as the primary, is a {role.decode()}"
        )
