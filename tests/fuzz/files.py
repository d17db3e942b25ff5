"""Files that others hand over: backups, exports of runs, and databases of meerkat."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from redis_mob import FleetAdmin
from redis_mob.backup.file_format import BackupFile
from redis_mob.backup.service import back_up
from redis_mob.connection.calls.client import connect
from redis_mob.errors import RedisMobError
from redis_mob.meerkat.reading import opened
from redis_mob.security.sealing import SealKeyring
from redis_mob.storage import MobStorage
from tests.attacks.filled import KEY, make_filled, open_filled, restore
from tests.fuzz.choices import Choices
from tests.fuzz.mutations import mutated
from tests.fuzz.running import Run
from tests.meerkat.files import golden
from tests.support.servers import server


@contextmanager
def files() -> Generator[Run]:
    """Mutated files are refused by typed errors; a backup that passes its check holds the records that were written."""
    with (
        server() as url,
        tempfile.TemporaryDirectory(prefix="redis-mob-fuzz-") as directory,
        asyncio.Runner() as runner,
    ):
        folder = Path(directory)
        path, database = folder / "changed", golden(folder).read_bytes()
        originals, lines = runner.run(_written(url, folder))
        records = [list(BackupFile(one, None).records()) for one in originals[:1]]
        contents = [one.read_bytes() for one in originals]

        def backups(choices: Choices) -> None:
            path.write_bytes(mutated(choices.one_of(contents), choices))
            found = BackupFile(path, SealKeyring(KEY))
            assert found.header.key_id is not None or list(found.records()) in records, (
                "other records than were written"
            )

        def databases(choices: Choices) -> None:
            path.write_bytes(mutated(database, choices))
            with opened(path) as found:
                for table in found.schema.tables:
                    for _ in found.rows(table):
                        pass

        async def exports(choices: Choices) -> None:
            changed = [mutated(line.encode(), choices).decode("utf-8", "replace") for line in lines]
            async with MobStorage.open("memory:", namespace="imported") as storage:
                async for _ in FleetAdmin(storage).import_runs(changed, include_unfinished=True):
                    pass

        def run(data: bytes) -> str:
            choices = Choices(data)
            kind = choices.number(3)
            try:
                if kind == 2:
                    runner.run(exports(choices))
                else:
                    (backups, databases)[kind](choices)
            except RedisMobError as error:
                str(error)
                return f"{('backup', 'mob.db', 'export')[kind]}: {type(error).__name__}"
            return f"{('backup', 'mob.db', 'export')[kind]}: read"

        yield run


async def _written(url: str, folder: Path) -> tuple[list[Path], list[str]]:
    """A backup in clear and one that is encrypted, and the lines of an export."""
    filled = await make_filled(url)
    connection = await connect(url)
    await restore(connection, filled)
    await connection.aclose()
    paths = [folder / "clear", folder / "sealed"]
    for path, keys in zip(paths, (None, SealKeyring(KEY)), strict=True):
        await back_up(url, filled.keys.namespace, path, encrypt_with=keys)
    async with open_filled(url, filled.keys) as storage:
        lines = [line async for line in FleetAdmin(storage).export([filled.there.driven, filled.there.waiting])]
    return paths, lines
