"""Config documents and profiles by the page: read with their past, and edited unless others did before."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from redis_mob.models import Profile
from redis_mob.operations.audit import action_of
from redis_mob.storage import MobStorage

CONFIG = "/api/config/models/gpt"
PROFILE = "/api/profiles/writer"


async def put(page: httpx.AsyncClient, path: str, key: str, revision: int | None, value: Any) -> httpx.Response:
    sent = {"revision": revision, "value": value}
    return await page.put(path, json=sent, headers={"Idempotency-Key": f"key-of-{key}"})


async def test_a_document_is_listed_and_read_with_its_past(page: httpx.AsyncClient, storage: MobStorage) -> None:
    await storage.config.put("models", "gpt", {"size": 1})
    await storage.config.put("models", "gpt", {"size": 2, "meta": {"revision": 5}})
    await storage.config.put("models", "other/one", [1])
    assert (await page.get("/api/config")).json() == {
        "documents": [
            {"namespace": "models", "id": "gpt", "revision": 5},
            {"namespace": "models", "id": "other/one", "revision": 0},
        ]
    }
    read = (await page.get(CONFIG)).json()
    assert (read["revision"], read["value"]) == (5, {"size": 2, "meta": {"revision": 5}})
    assert [(one["revision"], one["value"]["size"]) for one in read["history"]] == [(5, 2), (0, 1)]
    assert (await page.get("/api/config/models/other/one")).json()["value"] == [1]
    await storage.config.put("later", "x", {})
    assert len((await page.get("/api/config")).json()["documents"]) == 3
    assert len((await page.get("/api/config", params={"namespace": "later"})).json()["documents"]) == 1
    assert (await page.get("/api/config/models/none")).status_code == 404


async def test_the_receipts_of_the_page_are_not_listed(page: httpx.AsyncClient, storage: MobStorage) -> None:
    assert (await put(page, CONFIG, "one", None, {"size": 1})).status_code == 200
    assert [one["id"] for one in (await page.get("/api/config")).json()["documents"]] == ["gpt"]


async def test_an_edit_is_one_revision_more(page: httpx.AsyncClient, storage: MobStorage) -> None:
    made = await put(page, CONFIG, "one", None, {"size": 1})
    assert made.json() == {"revision": 1, "value": {"size": 1, "meta": {"revision": 1}}}
    edited = await put(page, CONFIG, "two", 1, {"size": 2, "meta": {"revision": 1, "owner": "x"}})
    assert edited.json()["value"] == {"size": 2, "meta": {"revision": 2, "owner": "x"}}
    assert await storage.config.get("models", "gpt") == edited.json()["value"]
    told = [one for one in map(action_of, await storage.events.replay_all()) if one is not None]
    assert [(one.action, one.on) for one in told] == [("config_put", "config/models/gpt")] * 2


async def test_a_conflict_has_both_versions(page: httpx.AsyncClient, storage: MobStorage) -> None:
    await put(page, CONFIG, "one", None, {"size": 1})
    await put(page, CONFIG, "two", 1, {"size": 2})
    lost = await put(page, CONFIG, "three", 1, {"size": 3})
    assert (lost.status_code, lost.json()["error"]["kind"]) == (409, "VersionConflictError")
    assert lost.json()["error"]["detail"] == {
        "mine": {"revision": 1, "value": {"size": 3}},
        "theirs": {"revision": 2, "value": {"size": 2, "meta": {"revision": 2}}},
    }
    made = await put(page, CONFIG, "four", None, {"size": 4})
    assert made.status_code == 409 and made.json()["error"]["detail"]["theirs"]["revision"] == 2
    assert made.json()["error"]["message"] == "there is a document models/gpt already: edit that one"
    again = await put(page, CONFIG, "two", 1, {"size": 2})
    assert (again.status_code, again.json()["revision"]) == (200, 2)


async def test_a_document_without_a_revision_is_edited_once(page: httpx.AsyncClient, storage: MobStorage) -> None:
    await storage.config.put("models", "gpt", {"size": 1})
    assert (await put(page, CONFIG, "one", 0, {"size": 2})).status_code == 200
    assert (await put(page, CONFIG, "two", 0, {"size": 3})).status_code == 409


@pytest.mark.parametrize("value", [1, [1], None, {"meta": 1}, "text"])
async def test_what_can_have_no_revision_is_refused(page: httpx.AsyncClient, storage: MobStorage, value: Any) -> None:
    answer = await put(page, CONFIG, "one", None, value)
    assert answer.status_code == 400 and "must be" in answer.json()["error"]["message"]
    assert await storage.config.lookup("models", "gpt") is None


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999"])
async def test_a_number_that_json_does_not_have_is_refused(page: httpx.AsyncClient, number: str) -> None:
    headers = {"Idempotency-Key": "key-of-number", "Content-Type": "application/json"}
    answer = await page.put(CONFIG, content=f'{{"revision": null, "value": {{"a": {number}}}}}', headers=headers)
    assert (answer.status_code, answer.json()["error"]["kind"]) == (400, "ValidationError")
    assert "$.a" in answer.json()["error"]["message"]


async def test_a_document_is_deleted_as_it_was_read(page: httpx.AsyncClient, storage: MobStorage) -> None:
    await put(page, CONFIG, "one", None, {"size": 1})
    headers = {"Idempotency-Key": "key-of-delete"}
    assert (await page.delete(CONFIG, headers=headers)).status_code == 400
    lost = await page.delete(CONFIG, params={"revision": 7}, headers=headers)
    assert lost.status_code == 409 and lost.json()["error"]["detail"]["theirs"]["revision"] == 1
    for _ in range(2):
        assert (await page.delete(CONFIG, params={"revision": 1}, headers=headers)).json() == {"done": True}
    assert (await page.get(CONFIG)).status_code == 404


async def test_profiles_are_made_edited_and_deleted(page: httpx.AsyncClient, storage: MobStorage) -> None:
    made = await put(page, PROFILE, "one", None, {"model": "small"})
    assert (made.status_code, made.json()["revision"]) == (200, 1)
    edited = await put(page, PROFILE, "two", 1, {"model": "large"})
    assert (edited.json()["revision"], edited.json()["value"]["model"]) == (2, "large")
    lost = await put(page, PROFILE, "three", 1, {"model": "tiny"})
    assert lost.status_code == 409
    detail = lost.json()["error"]["detail"]
    assert (detail["theirs"]["revision"], detail["theirs"]["value"]["model"]) == (2, "large")
    assert detail["mine"] == {"revision": 1, "value": {"model": "tiny"}}
    assert [one["name"] for one in (await page.get("/api/profiles")).json()["profiles"]] == ["writer"]
    assert (await page.get(PROFILE)).json()["value"]["model"] == "large"
    headers = {"Idempotency-Key": "key-of-delete"}
    assert (await page.delete(PROFILE, params={"revision": 1}, headers=headers)).status_code == 409
    assert (await page.delete(PROFILE, params={"revision": 2}, headers=headers)).json() == {"done": True}
    assert (await page.get(PROFILE)).status_code == 404
    assert await storage.realm_profiles.list() == []


async def test_a_wrong_profile_is_refused_with_its_field(page: httpx.AsyncClient, storage: MobStorage) -> None:
    await storage.realm_profiles.create("other", Profile(model="m"))
    answer = await put(page, PROFILE, "one", None, {"model": 7})
    assert answer.status_code == 400 and "model" in answer.json()["error"]["message"]
    taken = await put(page, "/api/profiles/other", "two", None, {"model": "m"})
    assert taken.status_code == 409
