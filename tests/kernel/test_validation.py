"""Validation of definitions: golden findings of both public validators, and our own (contract: definition-14)."""

from __future__ import annotations

from typing import Any

import pytest

from redis_mob.errors import DefinitionError
from redis_mob.kernel.diagnostics import Diagnostic, Severity
from redis_mob.kernel.flow_rules import validate_flows
from redis_mob.kernel.mob_rules import validate_mob
from redis_mob.kernel.validation import require_valid, validate
from redis_mob.models.definition import MobDefinition
from tests.support.golden import DATA, named

GOLDEN = named("wire/definitions/diagnostics.jsonl")


def definition_of(line: dict[str, Any]) -> MobDefinition:
    if "json" in line:
        return MobDefinition.model_validate_json(line["json"])
    if "toml" in line:
        return MobDefinition.from_toml(line["toml"])
    return MobDefinition.from_toml((DATA / "wire" / "definitions" / line["file"]).read_bytes().decode())


def expected(findings: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return [(one["code"], one["location"], one["severity"]) for one in findings]


OF_PATHS = ("template_invalid", "path_unknown", "path_not_before")
"""What the public validators do not look for: paths that lead nowhere, of which the golden definitions have some."""


def found(diagnostics: Any) -> list[tuple[str, str | None, str]]:
    return [(one.code, one.location, one.severity) for one in diagnostics if one.code not in OF_PATHS]


def flow(steps: str) -> MobDefinition:
    return MobDefinition.from_toml(f'[mob]\nid = "x"\n[profiles.r]\nmodel = "m"\n{steps}')


def test_there_is_golden_data() -> None:
    assert len(GOLDEN) == 61


@pytest.mark.parametrize("line", GOLDEN)
def test_findings_about_the_mob(line: dict[str, Any]) -> None:
    assert found(validate_mob(definition_of(line))) == expected(line["validate_definition"])


@pytest.mark.parametrize("line", GOLDEN)
def test_findings_about_the_flows(line: dict[str, Any]) -> None:
    assert found(validate_flows(definition_of(line))) == expected(line["spec_validator"])


@pytest.mark.parametrize("line", GOLDEN)
def test_all_findings(line: dict[str, Any]) -> None:
    findings = validate(definition_of(line))
    assert found(findings) == expected([*line["validate_definition"], *line["spec_validator"]])
    assert all(one.message for one in findings)


@pytest.mark.parametrize(("mode", "n", "refused"), [("one_to_one", 2, True), ("one_to_one", 1, False)])
def test_one_to_one_cannot_meet_a_quorum_of_several(mode: str, n: int, refused: bool) -> None:
    definition = flow(
        f'[flows.f.steps.s]\nrole = "r"\nmessage = "m"\ndispatch_mode = "{mode}"\n'
        f'collection_policy = {{ type = "quorum", n = {n} }}\n'
    )
    finding = ("quorum_invalid", "flows.f.steps.s.collection_policy.n", "error")
    assert found(validate(definition)) == ([finding] if refused else [])


@pytest.mark.parametrize("mode", ["fan_out", "fan_in"])
def test_other_modes_may_ask_for_a_quorum(mode: str) -> None:
    definition = flow(
        f'[flows.f.steps.s]\nrole = "r"\nmessage = "m"\ndispatch_mode = "{mode}"\n'
        'collection_policy = { type = "quorum", n = 3 }\n'
    )
    assert validate(definition) == ()


def test_the_same_finding_is_reported_once() -> None:
    definition = flow('[flows.f.steps.s]\nrole = "r"\nmessage = "m"\ndepends_on = ["ghost", "ghost"]\n')
    assert found(validate(definition)) == [("flow_unknown_step", "flows.f.steps.s.depends_on", "error")]


def test_a_cycle_is_spelled_out() -> None:
    steps = "".join(
        f'[flows.f.steps.{name}]\nrole = "r"\nmessage = "m"\ndepends_on = ["{other}"]\n'
        for name, other in (("a", "c"), ("b", "a"), ("c", "b"), ("d", "a"))
    )
    (finding,) = validate(flow(steps))
    assert finding.code == "flow_cycle_detected"
    assert "'a' -> 'b' -> 'c' -> 'a'" in finding.message


@pytest.mark.parametrize("address", ["256.0.0.1:1", "127.0.0.1:65536", "127.0.0.1:", "[::1:42]", "1.2.3:4", ":42"])
def test_what_is_no_socket_address(address: str) -> None:
    definition = flow(
        '[backend]\ndefault = "external"\n[backend.external]\naddress_base = "tcp://x"\n'
        f'[backend.external.supervisor_bridge]\nbind_address = "{address}"\n'
    )
    (finding,) = validate(definition)
    assert finding.location == "backend.external.supervisor_bridge.bind_address"
    assert repr(address) in finding.message


def test_a_definition_with_errors_is_refused_with_every_error() -> None:
    steps = '[flows.f.steps.s]\nrole = "no"\nmessage = "m"\ndepends_on = ["ghost"]\ndepends_on_mode = "any"\n'
    with pytest.raises(DefinitionError) as caught:
        require_valid(flow(steps))
    first, *rest = str(caught.value).splitlines()
    assert first == "the definition of mob 'x' is not valid:"
    assert [line.split(":")[0] for line in rest] == [
        "error[flow_unknown_role] flows.f.steps.s.role",
        "error[flow_unknown_step] flows.f.steps.s.depends_on",
    ]


def test_a_definition_with_warnings_only_is_accepted() -> None:
    warnings = require_valid(flow('[flows.f.steps.s]\nrole = "r"\nmessage = "m"\ndepends_on_mode = "any"\n'))
    assert [one.severity for one in warnings] == [Severity.WARNING]


def test_a_finding_reads_as_one_line() -> None:
    assert str(Diagnostic("code", "what to do", "a.b")) == "error[code] a.b: what to do"
    assert str(Diagnostic("code", "what to do", None, Severity.WARNING)) == "warning[code] what to do"
