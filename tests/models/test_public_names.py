"""The models that users import."""

from __future__ import annotations

from typing import get_args

from redis_mob import models

PROMISED = [
    "MobRun",
    "MobRunStatus",
    "FlowRunState",
    "FrameSnapshot",
    "FlowFrameState",
    "LoopSnapshot",
    "LoopIterationState",
    "StepLedgerEntry",
    "StepRunStatus",
    "FailureLedgerEntry",
    "LoopIterationLedgerEntry",
    "FlowAuthorityInput",
    "MobEvent",
    "NewMobEvent",
    "MobEventKind",
    "MobDefinition",
    "FlowSpec",
    "FlowStepSpec",
    "FrameSpec",
    "RepeatUntilSpec",
    "ConditionExpr",
    "Profile",
    "ToolConfig",
    "StoredRealmProfile",
    "SupervisorAuthorityRecord",
    "SupervisorPendingRotationRecord",
    "ExternalBindingOverlayRecord",
    "FrameAtomicOperation",
]


def test_every_promised_model_is_exported() -> None:
    assert set(PROMISED) <= set(models.__all__)


def test_every_member_of_a_union_is_exported() -> None:
    for union in (models.MobEventKind, models.FlowAuthorityInput, models.ConditionExpr, models.MemberRef):
        members = get_args(get_args(union)[0])
        assert members
        assert {member.__name__ for member in members} <= set(models.__all__)


def test_every_exported_name_exists_and_is_documented() -> None:
    for name in models.__all__:
        exported = getattr(models, name)
        assert not isinstance(exported, type) or exported.__doc__
