"""The names that users import."""

from __future__ import annotations

from typing import get_args

import redis_mob
from redis_mob import errors, models
from redis_mob.fleet.step_context import StepFailed

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
    "ConfigChangeEvent",
    "ConfigChangeKind",
    "FlowCompleted",
    "extract_meta_revision",
]

MOST_NAMES = 90
"""`redis_mob.__all__` is what a reader of `dir()` and of the editor's list has to look through."""


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


def test_the_package_exports_what_most_programs_need_and_no_more() -> None:
    assert len(set(redis_mob.__all__)) == len(redis_mob.__all__) <= MOST_NAMES
    for name in redis_mob.__all__:
        exported = getattr(redis_mob, name)
        assert not isinstance(exported, type) or exported.__doc__


def test_every_model_is_imported_from_the_package_too() -> None:
    others = [name for name in models.__all__ if getattr(redis_mob, name) is not getattr(models, name)]
    assert others == ["StepFailed"]
    assert redis_mob.StepFailed is StepFailed


def test_every_error_is_imported_from_the_package_too() -> None:
    kinds = [
        name
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, redis_mob.RedisMobError | Warning)
    ]
    assert kinds
    assert all(getattr(redis_mob, name) is getattr(errors, name) for name in kinds)
