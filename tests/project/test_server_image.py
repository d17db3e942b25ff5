"""Those who use Compose and those who use the fixtures get the same server."""

from __future__ import annotations

from redis_mob.testing.containers import DEFAULT_IMAGE
from tests.project.checkout import text_of


def test_compose_and_the_fixtures_name_the_same_image() -> None:
    assert f"image: ${{VALKEY_IMAGE:-{DEFAULT_IMAGE}}}\n" in text_of("docker-compose.yml")
