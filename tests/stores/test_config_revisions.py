"""Conditional writes of config documents on a server: what refusals say, several processes, replies that are lost."""

from __future__ import annotations

from typing import Any

import pytest

from redis_mob.connection.calls.client import Client
from redis_mob.connection.failures import ReplyLostError
from redis_mob.errors import OutcomeUnknownError, ValidationError, VersionConflictError
from redis_mob.models.config import Delete, DeleteIfRevision, Put, PutIfRevision
from redis_mob.storage import MobStorage
from redis_mob.stores.config import RedisConfigStore
from redis_mob.testing.conformance.config_revisions import conflict
from redis_mob.testing.samples.config_documents import at
from tests.stores.processes import run_together


@pytest.mark.parametrize("expected", [2**64, -1, True, 1.0, "1", None])
async def test_config_case_22_what_is_no_revision_is_told(config: RedisConfigStore, expected: Any) -> None:
    await config.put("n", "a", at(1))
    for call in (
        config.put_if_revision("n", "a", at(2), expected),
        config.delete_if_revision("n", "a", expected),
        config.apply([PutIfRevision("n", "a", at(2), expected)]),
    ):
        with pytest.raises(ValidationError, match="is no revision: use an integer from 0 to 18446744073709551615"):
            await call
    assert await config.get("n", "a") == at(1)


async def test_config_case_17_a_conflict_says_what_to_do(config: RedisConfigStore) -> None:
    await config.put("n", "a", at(1))
    scope = config.scoped("A")
    for call, text in (
        (config.put_if_revision("n", "a", at(6), 5), "n/a has revision 1, not 5: read it again"),
        (config.apply([PutIfRevision("n", "z", at(6), 5)]), "n/z has revision 0, not 5: read it again"),
        (config.apply([Put("n", "z", 0), DeleteIfRevision("n", "a", 0)]), "n/a has revision 1, not 0: read it again"),
        (scope.delete_if_revision("n", "a", 1), "n/a has revision 0, not 1: read it again"),
    ):
        with pytest.raises(VersionConflictError) as refused:
            await call
        assert str(refused.value) == text


async def test_a_document_that_is_named_twice_is_told(config: RedisConfigStore) -> None:
    with pytest.raises(ValidationError, match="2 writes name the document n/a"):
        await config.apply([Put("n", "a", 1), Put("n", "b", 1), Delete("n", "a")])


@pytest.mark.usefixtures("server_url")
async def test_config_case_29_processes_lose_no_update(storage: MobStorage) -> None:
    await run_together("count", storage, 25, 25, 25)
    assert await storage.config.get("n", "counter") == at(75)


@pytest.mark.parametrize("happened", [True, False])
async def test_config_case_51_an_unknown_outcome_is_named_and_may_be_tried_again(
    config: RedisConfigStore, connection: Client, monkeypatch: pytest.MonkeyPatch, happened: bool
) -> None:
    await config.put_if_revision("n", "a", at(1), 0)
    request = connection.router.request

    async def reply_lost(*parts: Any, **_: Any) -> Any:
        if happened:
            await request(*parts)
        raise ReplyLostError("the cable was cut")

    monkeypatch.setattr(connection.router, "request", reply_lost)
    with pytest.raises(OutcomeUnknownError, match="config/put_if_revision"):
        await config.put_if_revision("n", "a", at(2), 1)
    monkeypatch.undo()

    if happened:
        await conflict(config.put_if_revision("n", "a", at(2), 1), 1, 2)
    else:
        await config.put_if_revision("n", "a", at(2), 1)
    assert [version.revision for version in await config.history("n", "a")] == [2, 1]
