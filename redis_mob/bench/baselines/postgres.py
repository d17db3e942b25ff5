"""A run as a JSONB document in PostgreSQL, which asyncpg changes."""

from __future__ import annotations

import json
from contextlib import ExitStack
from importlib import import_module
from typing import Any

from redis_mob.bench.baselines.blobs import changed, document_of
from redis_mob.bench.baselines.postgres_server import private_server, programs
from redis_mob.bench.scenario import Scenario
from redis_mob.bench.target import LeftOutError, Target

_MOST_CONNECTIONS = 16

_READ = "SELECT version, document FROM runs WHERE id = $1"
_WRITE = "UPDATE runs SET document = $2, version = version + 1 WHERE id = $1 AND version = $3"


class Postgres(Scenario):
    """Agents of one process with a row each, over a pool of connections; the server has the defaults of PostgreSQL."""

    name = "postgresql"
    operation = "a JSONB document is read, and written where its version is the same, through asyncpg"
    unit = "steps"

    def __init__(self, size: int, agents: int = 1) -> None:
        super().__init__(size)
        self.agents = agents
        if agents > 1:
            self.name = f"{self.name}-{agents}"
        self._server = ExitStack()
        self._pool: Any = None

    async def set_up(self, target: Target) -> None:
        try:
            asyncpg: Any = import_module("asyncpg")
        except ImportError:
            raise LeftOutError("asyncpg is not installed: pip install 'redis-mob[bench]'") from None
        if (found := programs()) is None:
            raise LeftOutError("there is no initdb; Debian's package is postgresql")
        try:
            url = self._server.enter_context(private_server(found))
        except OSError as error:
            raise LeftOutError(f"PostgreSQL does not start: {error}") from error
        self._pool = await asyncpg.create_pool(
            url.replace("/bench?", "/postgres?"), min_size=1, max_size=min(self.agents, _MOST_CONNECTIONS)
        )
        await self._pool.execute(
            "CREATE TABLE runs (id int PRIMARY KEY, version bigint NOT NULL, document jsonb NOT NULL)"
        )
        document = json.dumps(document_of(self.size), separators=(",", ":"))
        rows = [(agent, document) for agent in range(self.agents)]
        await self._pool.executemany("INSERT INTO runs VALUES ($1, 0, $2)", rows)

    async def operate(self, agent: int) -> None:
        async with self._pool.acquire() as connection:
            done = ""
            while done != "UPDATE 1":
                version, document = await connection.fetchrow(_READ, agent)
                text = json.dumps(changed(json.loads(document)), separators=(",", ":"))
                done = await connection.execute(_WRITE, agent, text, version)

    async def clean_up(self) -> None:
        if self._pool is not None:
            await self._pool.close()
        self._server.close()
