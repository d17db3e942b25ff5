"""The table [retention] beside a definition: how it is read and written, and what is wrong with one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from redis_mob.codec.definitions import digests_of
from redis_mob.errors import DefinitionError
from redis_mob.flows import Mob, step
from redis_mob.models.definition import MobDefinition
from redis_mob.models.mob_retention import MobRetention
from redis_mob.models.retention import RetentionPolicy

DAY = timedelta(days=1)
DEFINITION = """
[mob]
id = "writers"

[profiles]
writer = { model = "none" }

[flows.write.steps.draft]
role = "writer"
message = "Write a draft"
"""
BESIDE = """
[retention]
completed = "7d"
failed = "4w"
max_runs = 100000
keep_key = "90s"

[retention.flows.write]
canceled = "12h"
"""


def test_it_is_no_part_of_the_definition() -> None:
    """The contract is operations-89: a definition has the digest that it has without the table."""
    told: list[str] = []
    plain = MobDefinition.from_toml(DEFINITION)
    beside = MobDefinition.from_toml(DEFINITION + BESIDE, strict=True, tell=told.append)
    assert digests_of(beside) == digests_of(plain)
    assert (beside, told) == (plain, [])


def test_it_is_read() -> None:
    read = MobRetention.from_toml(DEFINITION + BESIDE)
    own = RetentionPolicy(completed=7 * DAY, failed=28 * DAY, max_runs=100_000, keep_key=timedelta(seconds=90))
    of_flow = RetentionPolicy(canceled=DAY / 2)
    assert read.of_mob("writers") == {"writers": own, ("writers", "write"): of_flow}
    assert MobRetention.model_validate_json(read.model_dump_json()) == read
    assert MobRetention.from_table(read.to_tables()["retention"], ["write"]) == read
    assert MobRetention.from_toml(DEFINITION).of_mob("writers") == {}
    assert MobRetention().to_tables() == {}
    assert MobRetention.from_toml(DEFINITION + "[retention.flows.write]").of_mob("m") == {
        ("m", "write"): RetentionPolicy()
    }


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ("complete = '7d'", "retention.complete: there is no such key (nearest: 'completed')"),
        ("completed = 'soon'", "retention.completed: is no age: 'soon'; write it like 7d, 12h or 90s, up to 36500d"),
        ("completed = 7", "retention.completed: is no age: 7; write it like 7d, 12h or 90s, up to 36500d"),
        ("failed = '9999999999w'", "retention.failed: is no age: '9999999999w'; write it like 7d"),
        ("failed = '36501d'", "retention.failed: is no age: '36501d'"),
        ("max_runs = -1", "retention.max_runs: Input should be greater than or equal to 0, not -1"),
        ("max_runs = true", "retention.max_runs: must be an integer, not True"),
        (
            "events = '7d'",
            "retention.events: the log of events is that of all mobs; bound it with redis-mob",
        ),
        ("max_events = 7", "bound it with redis-mob retention set --max-events"),
        ("flow.write.failed = '7d'", "retention.flow: there is no such key (nearest: 'flows')"),
        ("flows = 7", "retention.flows: must be a table (an object in JSON), not 7"),
        ("flows.write = 7", "retention.flows.write: must be a table (an object in JSON), not 7"),
        ("flows.wriet.failed = '7d'", "retention.flows.wriet: the mob has no such flow (nearest: 'write')"),
        ("flows.write.flows = {}", "retention.flows.write.flows: there is no such key"),
        ("flows.write.max_runs = 'x'", "retention.flows.write.max_runs: must be an integer, not 'x'"),
    ],
)
def test_what_makes_no_sense_is_named_with_its_value(table: str, complaint: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        MobRetention.from_toml(f"{DEFINITION}[retention]\n{table}\n")
    assert str(caught.value).startswith("retention.")
    assert complaint in str(caught.value)


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(DefinitionError) as caught:
        MobRetention.from_toml(
            f"{DEFINITION}[retention]\nfail = '7d'\nmax_runs = 'x'\n[retention.flows.no]\nfailed = 1"
        )
    assert len(str(caught.value).splitlines()) == 4


def test_a_table_is_a_table() -> None:
    with pytest.raises(DefinitionError, match=r"retention: must be a table .*, not 7"):
        MobRetention.from_toml("retention = 7\n" + DEFINITION)


def mob(**more: Any) -> Mob:
    made = Mob("writers", **more)
    made.role("writer")
    made.flow("write", [step("draft", "Write a draft", role="writer")], retention={"canceled": DAY / 2})
    return made


def test_a_mob_in_python_says_the_same() -> None:
    written = {"completed": "7d", "failed": 28 * DAY, "max_runs": 100_000, "keep_key": "90s"}
    from_toml = MobRetention.from_toml(DEFINITION + BESIDE)
    assert mob(retention=written).retention == from_toml
    assert mob(retention=from_toml.policy).retention == from_toml
    assert mob().retention == MobRetention(flows=from_toml.flows)
    text = mob(retention=written).to_toml()
    assert MobRetention.from_toml(text) == from_toml
    again = MobDefinition.from_toml(text, strict=True)
    assert again == mob().definition()
    assert Mob.from_definition(again, from_toml).retention == from_toml
    assert Mob.from_definition(again).retention == MobRetention()


def test_a_mob_in_python_refuses_the_same() -> None:
    with pytest.raises(DefinitionError, match=r"^retention\.fail: there is no such key \(nearest: 'failed'\)$"):
        mob(retention={"fail": "7d"})
    with pytest.raises(DefinitionError, match=r"retention\.events: the log of events is that of all mobs"):
        mob(retention=RetentionPolicy(events=DAY))
    with pytest.raises(DefinitionError, match=r"flow 'other': retention\.failed: is no age: 7"):
        mob().flow("other", [step("draft", "Write", role="writer")], retention={"failed": 7})
    with pytest.raises(DefinitionError, match=r"retention: must be a table"):
        wrong: Any = "7d"
        mob(retention=wrong)
    unknown = MobRetention(flows={"no": RetentionPolicy()})  # pyright: ignore[reportArgumentType]
    with pytest.raises(DefinitionError, match=r"retention\.flows\.no: the mob has no such flow"):
        Mob.from_definition(mob().definition(), unknown)
    with pytest.raises(DefinitionError, match=r"retention\.completed: TOML cannot say this: 0\.5s"):
        mob(retention={"completed": DAY / 172_800}).to_toml()
