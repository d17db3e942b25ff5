"""LangGraph's own conformance suite for checkpointers."""

# pyright: reportMissingTypeStubs=false
# LangGraph has annotations, but no mark that says so.

from __future__ import annotations

from collections.abc import AsyncGenerator
from uuid import uuid4

import pytest
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.conformance import checkpointer_test, validate
from langgraph.checkpoint.conformance.capabilities import Capability
from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer

from redis_mob.errors import SerializationError
from redis_mob.langgraph import RedisMobSaver
from tests.langgraph.threads import config, grow


class Inverting:
    """A cipher that hides nothing, and shows that all goes through it."""

    def encrypt(self, plaintext: bytes) -> tuple[str, bytes]:
        return "inverted", bytes(255 - byte for byte in plaintext)

    def decrypt(self, ciphername: str, ciphertext: bytes) -> bytes:
        assert ciphername == "inverted"
        return bytes(255 - byte for byte in ciphertext)


async def assert_conforms(url: str, serde: SerializerProtocol | None = None) -> None:
    """Run the whole suite, each capability in a namespace of its own."""

    async def opened() -> AsyncGenerator[BaseCheckpointSaver[str]]:
        async with RedisMobSaver.open(url, namespace=f"test-{uuid4().hex}", serde=serde) as saver:
            yield saver

    report = await validate(checkpointer_test(name="RedisMobSaver")(opened))
    assert {name: result.failures for name, result in report.results.items() if not result.passed} == {}
    assert {one.value for one in Capability} == report.results.keys()


@pytest.mark.parametrize("server", ["server_url", "redis7_url", "cluster_url"])
async def test_all_capabilities_pass_on_each_kind_of_server(server: str, request: pytest.FixtureRequest) -> None:
    await assert_conforms(request.getfixturevalue(server))


async def test_all_capabilities_pass_with_an_encrypting_serializer(server_url: str) -> None:
    await assert_conforms(server_url, EncryptedSerializer(Inverting()))


async def test_another_serializer_is_told_what_it_cannot_read(server_url: str, namespace: str) -> None:
    async with RedisMobSaver.open(server_url, namespace=namespace, serde=EncryptedSerializer(Inverting())) as saver:
        await grow(saver, 1, "secrets")
    async with RedisMobSaver.open(server_url, namespace=namespace) as saver:
        with pytest.raises(SerializationError, match="of thread 'secrets' cannot be read by JsonPlusSerializer"):
            await saver.aget_tuple(config("secrets"))
