"""Keys of a definition that no field has are told with the nearest one that there is (contract: definition-19)."""

from __future__ import annotations

import pytest

from redis_mob.errors import DefinitionError
from redis_mob.models.definition import MobDefinition

HEAD = '[mob]\nid = "x"\n'
STEP = '[flows.f.steps.s]\nrole = "r"\nmessage = "m"\n'
NODE = 'depends_on = []\ndepends_on_mode = "all"\n'
LOOP = f'[flows.f.root.nodes.l]\nkind = "repeat_until"\nloop_id = "l"\nmax_iterations = 2\n{NODE}'
WITHIN = 'op = "eq", path = "params.x", value = { any = 1 }, vaule = 1'
UNTIL = f'[flows.f.root.nodes.l.until]\nop = "not"\nexpr = {{ {WITHIN} }}\n'
BODY = f'[flows.f.root.nodes.l.body.nodes.s]\nkind = "step"\nstep_id = "s"\nbrunch = "b"\n{NODE}'


WAIT = "[flows.f.steps.w.wait_for]\nsignal = 'go'\nschema = '{}'\n"


def told(text: str) -> list[str]:
    found: list[str] = []
    MobDefinition.from_toml(text, tell=found.append)
    return found


@pytest.mark.parametrize(
    ("text", "path", "near"),
    [
        (HEAD + "orchestratr = 'lead'\n", "mob.orchestratr", "nearest: 'orchestrator'"),
        (HEAD + "profiles = {}\n", "mob.profiles", "write it as a table of its own, [profiles]"),
        ("id = 'x'\n" + HEAD, "id", "write it in [mob]"),
        (HEAD + "orchestrator = { profile = 'p', modle = 1 }\n", "mob.orchestrator.modle", "nearest: 'profile'"),
        (HEAD + "[flow.g.steps.x]\n", "flow", "nearest: 'flows'"),
        (HEAD + "[limit]\n", "limit", "nearest: 'limits'"),
        (HEAD + "[limits]\nmax_retries = 1\n", "limits.max_retries", "nearest: 'max_step_retries'"),
        (HEAD + "[profiles.p]\nmodel = 'm'\ntoolz = {}\n", "profiles.p.toolz", "nearest: 'tools'"),
        (HEAD + "[profiles.p]\nmodel = 'm'\ntools = { shel = true }\n", "profiles.p.tools.shel", "nearest: 'shell'"),
        (HEAD + STEP + "depend_on = ['s']\n", "flows.f.steps.s.depend_on", "nearest: 'depends_on'"),
        (HEAD + STEP + "timeout = 5\n", "flows.f.steps.s.timeout", "nearest: 'timeout_ms'"),
        (HEAD + STEP + "retry = { attemps = 5 }\n", "flows.f.steps.s.retry.attemps", "nearest: 'attempts'"),
        (
            HEAD + STEP + "collection_policy = { type = 'any', n = 2 }\n",
            "flows.f.steps.s.collection_policy.n",
            "nearest: 'type'",
        ),
        (
            HEAD + STEP.replace('"m"', '[{ type = "text", text = "a" }, { type = "text", text = "b", txt = 1 }]'),
            "flows.f.steps.s.message[1].txt",
            "nearest: 'text'",
        ),
        (
            HEAD + "[profiles.p]\nrealm_profile = 'p'\nmodel = 'm'\n",
            "profiles.p.model",
            "nearest: 'realm_profile'",
        ),
        (HEAD + WAIT + "timeout = 1\n", "flows.f.steps.w.wait_for.timeout", "nearest: 'timeout_ms'"),
        (HEAD + "[topology]\nmode = 'strict'\nrules = []\nrule = []\n", "topology.rule", "nearest: 'rules'"),
        (HEAD + '["a\\nb"]\n', "'a\\nb'", "nearest: 'mob'"),
    ],
)
def test_an_unknown_key_is_told_with_its_path(text: str, path: str, near: str) -> None:
    assert told(text) == [f"{path}: there is no such key ({near}); it is ignored"]


def test_loops_and_conditions_are_looked_into_and_values_are_not() -> None:
    assert [line.partition(":")[0] for line in told(HEAD + STEP + LOOP + UNTIL + BODY)] == [
        "flows.f.root.nodes.l.body.nodes.s.brunch",
        "flows.f.root.nodes.l.until.expr.vaule",
    ]


def test_the_log_tells_unless_it_is_said_how(caplog: pytest.LogCaptureFixture) -> None:
    definition = MobDefinition.from_toml(HEAD + "[100%s]\n".replace("[100%s]", '["100%s"]'))
    assert definition == MobDefinition.model_validate({"id": "x", "100%s": {}})
    [record] = caplog.records
    assert (record.levelname, record.name.partition(".")[0]) == ("WARNING", "redis_mob")
    assert record.getMessage().startswith("100%s: there is no such key (nearest: ")


def test_with_strict_all_of_them_are_one_error() -> None:
    with pytest.raises(DefinitionError) as caught:
        MobDefinition.from_toml(HEAD + "[limit]\n" + STEP + "depend_on = []\n", strict=True)
    assert str(caught.value).splitlines() == [
        "limit: there is no such key (nearest: 'limits')",
        "flows.f.steps.s.depend_on: there is no such key (nearest: 'depends_on')",
    ]


def test_a_byte_order_mark_is_passed_over() -> None:
    assert MobDefinition.from_toml("\ufeff" + HEAD) == MobDefinition(id="x")
