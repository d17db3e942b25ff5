"""What an error shows of a value that a caller gave is bounded, and the length of what was cut is told."""

from __future__ import annotations

from typing import Any

import pytest

from redis_mob.errors import MOST_SHOWN, RedisMobError, ValidationError, shortened, shown
from redis_mob.models.base import Model
from redis_mob.storage import MobStorage
from tests.attacks.public_calls import METHODS, Method, Scene, prepared, right_arguments

LONGEST_MESSAGE = 2000
HUGE = 10_000
HUGE_TEXTS = {
    "text": "x" * HUGE,
    "run id": f"0191a6a0-0000-4000-8000-{'0' * HUGE}",
    "control characters": "\x00" * HUGE,
    "no UTF-8": "x" * (HUGE - 1) + "\udc80",
}


class Unprintable:
    def __repr__(self) -> str:
        raise LookupError("no repr")


@pytest.mark.parametrize("value", ["a", "", "é'\"", "x" * MOST_SHOWN, b"raw", 17, 1.5, None, [1, "a"]])
def test_a_short_value_is_shown_as_its_repr(value: object) -> None:
    assert shown(value) == repr(value)


@pytest.mark.parametrize(
    ("value", "length"),
    [
        ("x" * 10_000, "(10000 characters)"),
        (b"x" * 10_000, "(10000 bytes)"),
        ("\U000e0001" * 150, "(150 characters)"),
        (list(range(10_000)), f"({len(repr(list(range(10_000))))} characters)"),
    ],
    ids=["text", "bytes", "characters whose repr is long", "list"],
)
def test_a_long_value_is_cut_and_its_length_told(value: object, length: str) -> None:
    assert shown(value).endswith(length)
    assert len(shown(value)) < MOST_SHOWN + 40


@pytest.mark.parametrize(
    ("value", "said"),
    [
        pytest.param(10**5000, "<a value of type int>", id="too many digits"),
        pytest.param(Unprintable(), "<a value of type Unprintable>", id="a repr that raises"),
    ],
)
def test_a_value_without_a_repr_is_shown_by_its_type(value: object, said: str) -> None:
    assert shown(value) == said


def test_a_text_is_shortened_without_quotes() -> None:
    assert shortened("run-1") == "run-1"
    assert shortened("r" * 10_000) == f"{'r' * MOST_SHOWN}… (10000 characters)"


def huge_values(right: Any, huge: str) -> list[Any]:
    """The text in the place of a right argument, and of each text in a model that is one."""
    values: list[Any] = [huge]
    if isinstance(right, Model):
        texts = [name for name, value in right if isinstance(value, str)]
        values += [right.model_copy(update={name: huge}) for name in texts]
    if isinstance(right, list):
        values.append([huge])
    return values


async def message_of(call: Any) -> str:
    try:
        await call
    except RedisMobError as error:
        return str(error)
    return ""


@pytest.mark.filterwarnings("ignore::redis_mob.errors.UnsealedSecretsWarning")
@pytest.mark.parametrize("method", [method for method in METHODS if method.parameters], ids=".".join)
@pytest.mark.parametrize("huge", HUGE_TEXTS.values(), ids=HUGE_TEXTS.keys())
async def test_no_error_shows_a_huge_value_as_a_whole(storage: MobStorage, method: Method, huge: str) -> None:
    scene: Scene = await prepared(storage)
    for argument, right in right_arguments(method, scene).items():
        for value in huge_values(right, huge):
            said = await message_of(method.call(storage, {**right_arguments(method, scene), argument: value}))
            assert len(said) <= LONGEST_MESSAGE, f"{argument}: {len(said)} characters: {said[:300]}"


@pytest.mark.parametrize(
    "options",
    [
        {"url": f"redis://{'h' * HUGE}"},
        {"url": f"redis://h/{'1' * HUGE}"},
        {"url": f"redis://h?{'o' * HUGE}=1"},
        {"url": f"unix:///{'p' * HUGE}"},
        {"url": f"unix:///{'p' * 450}"},
        {"url": f"embedded:/{'d' * HUGE}"},
        {"url": f"embedded:/{'d/' * HUGE}"},
        {"url": f"rediss://h?ca=/{'c' * HUGE}"},
        {"url": f"rediss://h?ca={'c' * HUGE}"},
        {"url": f"redis+sentinel://127.0.0.1:1/{'s' * HUGE}"},
        {"url": "redis+cluster://" + ",".join(["127.0.0.1:1"] * 200)},
        {"url": f"{'s' * HUGE}://h"},
        {"url": "s" * HUGE},
        {"namespace": "n" * HUGE},
        {"durability": "d" * HUGE},
        {"retry": "r" * HUGE},
        {"seal_key": "k" * HUGE},
    ],
    ids=lambda options: next(iter(options)) + " " + next(iter(options.values()))[:12],
)
async def test_opening_shows_no_huge_value_as_a_whole(options: dict[str, Any]) -> None:
    said = ""
    try:
        wrong: Any = {"url": "memory:", **options}
        await MobStorage.open(**wrong)
    except RedisMobError as error:
        said = str(error)
    assert 0 < len(said) <= LONGEST_MESSAGE, said[:500]


@pytest.mark.parametrize("after", [2**64, 10**5000], ids=["no cursor any more", "too many digits to be shown"])
async def test_a_cursor_that_no_log_comes_to_is_refused(storage: MobStorage, after: int) -> None:
    with pytest.raises(ValidationError, match=f"after must be an integer up to {2**64 - 1}"):
        async with storage.events.subscribe(after):
            pass
