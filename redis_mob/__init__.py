"""redis_mob: the coordination store of agent fleets.

`__all__` names what most programs need, by subject. Every other model of `redis_mob.models` can be imported from here
too. One name is in both: `StepFailed` here is the exception that handlers raise, and the event of that name is
`redis_mob.models.StepFailed`.
"""

from typing import TYPE_CHECKING

from redis_mob import models
from redis_mob.connection.calls.sessions import WriteOutcome
from redis_mob.connection.retry import RetryPolicy
from redis_mob.errors import (
    AlreadyExistsError,
    CasConflictError,
    ChangeFeedTruncatedError,
    ConfigStoreError,
    DefinitionError,
    DurabilityError,
    EpochChangedError,
    EventsTrimmedError,
    FrameAtomicPersistenceUnavailableError,
    FrameDepthLimitExceededError,
    HandlerError,
    InternalError,
    KernelError,
    MobStoreError,
    NotFoundError,
    OutcomeUnknownError,
    ReadFailedError,
    RedisMobError,
    RunAlreadyExistsError,
    SealKeyMismatchError,
    SealKeyMissingError,
    SerializationError,
    SpecRevisionConflictError,
    StorageUnavailableError,
    TemplateError,
    UnsealedSecretsWarning,
    ValidationError,
    VersionConflictError,
    WriteFailedError,
)
from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.isolation import isolated
from redis_mob.fleet.step_context import PreviousFailure, StepContext
from redis_mob.fleet.step_profile import StepProfile
from redis_mob.models import *  # noqa: F403
from redis_mob.models import (
    ConfigChangeEvent,
    ConfigChangeKind,
    ConfigSnapshot,
    ConfigVersion,
    ConfigWrite,
    Delete,
    DeleteIfRevision,
    ExternalBindingOverlayRecord,
    FailureLedgerEntry,
    FlowAuthorityInput,
    FlowCanceled,
    FlowCompleted,
    FlowFailed,
    FlowRunState,
    FlowSpec,
    FlowStarted,
    FlowStepSpec,
    Found,
    FrameSnapshot,
    LimitsSpec,
    LoopSnapshot,
    MobDefinition,
    MobEvent,
    MobEventKind,
    MobRun,
    MobRunStatus,
    NewMobEvent,
    Profile,
    Put,
    PutIfAbsent,
    PutIfRevision,
    RetrySpec,
    StepLedgerEntry,
    StepRunStatus,
    StoredRealmProfile,
    SupervisorAuthorityRecord,
    ToolConfig,
    extract_meta_revision,
)
from redis_mob.security.sealing import SealKey, SealKeyring
from redis_mob.storage import MobStorage
from redis_mob.version import __version__ as __version__

# After the star, so that the exception hides the event.
from redis_mob.fleet.step_context import StepFailed  # isort: skip

__all__: list[str] = [  # noqa: RUF022 - by subject
    # a storage
    "MobStorage",
    "RetryPolicy",
    "SealKey",
    "SealKeyring",
    "WriteOutcome",
    # a fleet, and the handlers that it calls
    "Fleet",
    "PreviousFailure",
    "StepContext",
    "StepFailed",
    "StepProfile",
    "isolated",
    # definitions
    "MobDefinition",
    "FlowSpec",
    "FlowStepSpec",
    "RetrySpec",
    "LimitsSpec",
    "Profile",
    "ToolConfig",
    # runs
    "MobRun",
    "MobRunStatus",
    "FlowRunState",
    "FrameSnapshot",
    "LoopSnapshot",
    "StepLedgerEntry",
    "StepRunStatus",
    "FailureLedgerEntry",
    "FlowAuthorityInput",
    # events
    "MobEvent",
    "NewMobEvent",
    "MobEventKind",
    "FlowStarted",
    "FlowCompleted",
    "FlowFailed",
    "FlowCanceled",
    # config documents
    "ConfigChangeEvent",
    "ConfigChangeKind",
    "ConfigSnapshot",
    "ConfigVersion",
    "ConfigWrite",
    "Put",
    "PutIfAbsent",
    "PutIfRevision",
    "Delete",
    "DeleteIfRevision",
    "Found",
    "extract_meta_revision",
    # profiles, supervisors and bindings
    "StoredRealmProfile",
    "SupervisorAuthorityRecord",
    "ExternalBindingOverlayRecord",
    # errors
    "RedisMobError",
    "AlreadyExistsError",
    "CasConflictError",
    "ChangeFeedTruncatedError",
    "ConfigStoreError",
    "DefinitionError",
    "DurabilityError",
    "EpochChangedError",
    "EventsTrimmedError",
    "HandlerError",
    "InternalError",
    "KernelError",
    "MobStoreError",
    "NotFoundError",
    "OutcomeUnknownError",
    "ReadFailedError",
    "RunAlreadyExistsError",
    "SealKeyMismatchError",
    "SealKeyMissingError",
    "SerializationError",
    "SpecRevisionConflictError",
    "StorageUnavailableError",
    "TemplateError",
    "UnsealedSecretsWarning",
    "ValidationError",
    "VersionConflictError",
    "WriteFailedError",
]

if TYPE_CHECKING:
    # A type checker takes only names of `__all__` as exported. The other models may be imported from here as well.
    __all__ += models.__all__
    __all__ += ["FrameAtomicPersistenceUnavailableError", "FrameDepthLimitExceededError"]
