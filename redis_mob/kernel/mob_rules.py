"""Rules for profiles, skills, wiring and backends of a mob (contract: definition-11)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from redis_mob.errors import shown
from redis_mob.kernel.diagnostics import Diagnostic
from redis_mob.models.definition import MobDefinition, SupervisorBridgeConfig
from redis_mob.models.profile import MobBackendKind, Profile

RESERVED_PREFIX = "__flow_system_"
"""Names that begin like this belong to the engine."""

_PROFILE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_SOCKET_ADDRESS = re.compile(r"(?:\[(?P<v6>[^\]]+)\]|(?P<v4>[0-9.]+)):(?P<port>[0-9]{1,5})")
_BRIDGE = "backend.external.supervisor_bridge"


def validate_mob(definition: MobDefinition) -> Iterator[Diagnostic]:
    """Findings about everything but flows, topology and supervisor."""
    if not definition.profiles and not _only_waits(definition):
        yield Diagnostic("empty_profiles", "there is no profile; a mob needs at least one", "profiles")
    leader = definition.orchestrator
    if leader and leader.profile not in definition.profiles:
        yield Diagnostic(
            "missing_orchestrator_profile",
            f"the orchestrator's profile {shown(leader.profile)} is not defined; add [profiles.{leader.profile}]",
            "mob.orchestrator",
        )
    for name, binding in definition.profiles.items():
        yield from _name(name)
        if isinstance(binding, Profile):
            yield from _profile(definition, name, binding)
    yield from _wiring(definition)
    yield from _backend(definition)


def _only_waits(definition: MobDefinition) -> bool:
    """Whether there are steps, and all of them wait for signals, so that no member is ever asked."""
    flows = definition.flows.values()
    return any(flow.steps for flow in flows) and not any(flow.roles for flow in flows)


def _name(name: str) -> Iterator[Diagnostic]:
    if not _PROFILE_NAME.fullmatch(name):
        yield Diagnostic(
            "invalid_profile_name",
            f"{shown(name)} is no profile name; use letters, digits, '_' and '-', beginning with a letter or '_'",
            f"profiles.{name}",
        )
    if name.startswith(RESERVED_PREFIX):
        yield Diagnostic(
            "reserved_system_identifier",
            f"the name {shown(name)} is reserved: names that begin with {RESERVED_PREFIX!r} belong to the engine",
            f"profiles.{name}",
        )


def _profile(definition: MobDefinition, name: str, profile: Profile) -> Iterator[Diagnostic]:
    for index, skill in enumerate(profile.skills):
        if skill not in definition.skills:
            yield Diagnostic(
                "missing_skill_ref",
                f"the skill {shown(skill)} is not defined; add [skills.{skill}] or take it from the profile",
                f"profiles.{name}.skills[{index}]",
            )
    limit = profile.max_inline_peer_notifications
    if limit is not None and limit < -1:
        yield Diagnostic(
            "invalid_inline_peer_notification_threshold",
            f"{limit} is no number of notifications; use -1 for no limit, or 0 and above",
            f"profiles.{name}.max_inline_peer_notifications",
        )


def _wiring(definition: MobDefinition) -> Iterator[Diagnostic]:
    for index, rule in enumerate(definition.wiring.role_wiring):
        for side, role in (("a", rule.a), ("b", rule.b)):
            if role not in definition.profiles:
                yield Diagnostic(
                    "invalid_wiring_profile",
                    f"the profile {shown(role)} is not defined, so it cannot be wired",
                    f"wiring.role_wiring[{index}].{side}",
                )


def _backend(definition: MobDefinition) -> Iterator[Diagnostic]:
    backend = definition.backend
    kinds = [binding.backend for binding in definition.profiles.values() if isinstance(binding, Profile)]
    if MobBackendKind.EXTERNAL not in (backend.default, *kinds):
        return
    if backend.external is None:
        yield Diagnostic(
            "missing_external_backend_config",
            "members run on the external backend, but the table [backend.external] is missing",
            "backend.external",
        )
    elif not backend.external.address_base.strip():
        yield _bad_backend("the address is blank", "backend.external.address_base")
    elif backend.external.supervisor_bridge is not None:
        yield from _bridge(backend.external.supervisor_bridge)


def _bridge(bridge: SupervisorBridgeConfig) -> Iterator[Diagnostic]:
    bind, advertised = bridge.bind_address, bridge.advertised_address
    if bind is not None:
        host = _socket_host(bind)
        if host is None:
            yield _bad_backend(
                f"{shown(bind)} is no socket address; write an IP address and a port, as in '127.0.0.1:42000'",
                f"{_BRIDGE}.bind_address",
            )
        elif host.is_unspecified and advertised is None:
            yield _bad_backend(
                f"{shown(bind)} listens everywhere, so the address to reach it at must be given",
                f"{_BRIDGE}.advertised_address",
            )
    if advertised is not None and not advertised.startswith("tcp://"):
        yield _bad_backend(f"{shown(advertised)} is no tcp:// address", f"{_BRIDGE}.advertised_address")


def _bad_backend(message: str, location: str) -> Diagnostic:
    return Diagnostic("invalid_external_backend_config", message, location)


def _socket_host(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    parts = _SOCKET_ADDRESS.fullmatch(address)
    if parts is None or int(parts["port"]) > 0xFFFF:
        return None
    try:
        return ipaddress.IPv6Address(parts["v6"]) if parts["v6"] else ipaddress.IPv4Address(parts["v4"])
    except ValueError:
        return None
