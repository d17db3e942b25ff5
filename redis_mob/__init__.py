"""redis_mob: the coordination store of agent fleets.

`__all__` names what most programs need, by subject. Every other model of `redis_mob.models` can be imported from here
too. One name is in both: `StepFailed` here is the exception that handlers raise, and the event of that name is
`redis_mob.models.StepFailed`. What is not an error is imported when it is first asked for, so that a program waits for
what it uses.
"""

from typing import TYPE_CHECKING

from redis_mob.errors import (
    AlreadyExistsError as AlreadyExistsError,
    BlobMissingError as BlobMissingError,
    CasConflictError as CasConflictError,
    ChangeFeedTruncatedError as ChangeFeedTruncatedError,
    ConfigStoreError as ConfigStoreError,
    ConversationBusyError as ConversationBusyError,
    DefinitionError as DefinitionError,
    DurabilityError as DurabilityError,
    EpochChangedError as EpochChangedError,
    EventsTrimmedError as EventsTrimmedError,
    FrameAtomicPersistenceUnavailableError as FrameAtomicPersistenceUnavailableError,
    FrameDepthLimitExceededError as FrameDepthLimitExceededError,
    HandlerError as HandlerError,
    InternalError as InternalError,
    KernelError as KernelError,
    MobStoreError as MobStoreError,
    NotDrivenError as NotDrivenError,
    NotFoundError as NotFoundError,
    OutcomeUnknownError as OutcomeUnknownError,
    ProgressTrimmedError as ProgressTrimmedError,
    ReadFailedError as ReadFailedError,
    RedisMobError as RedisMobError,
    RunAlreadyExistsError as RunAlreadyExistsError,
    RunFailedError as RunFailedError,
    SealKeyMismatchError as SealKeyMismatchError,
    SealKeyMissingError as SealKeyMissingError,
    SerializationError as SerializationError,
    SpecRevisionConflictError as SpecRevisionConflictError,
    StorageUnavailableError as StorageUnavailableError,
    TemplateError as TemplateError,
    UnsealedSecretsWarning as UnsealedSecretsWarning,
    ValidationError as ValidationError,
    VersionConflictError as VersionConflictError,
    WaitTimeoutError as WaitTimeoutError,
    WriteFailedError as WriteFailedError,
)
from redis_mob.version import __version__ as __version__

if TYPE_CHECKING:
    from redis_mob.connection.calls.sessions import WriteOutcome as WriteOutcome
    from redis_mob.connection.retry import RetryPolicy as RetryPolicy
    from redis_mob.fleet.asking import AskTimeoutError as AskTimeoutError
    from redis_mob.fleet.fleet import Fleet as Fleet
    from redis_mob.fleet.isolation import isolated as isolated
    from redis_mob.fleet.spending import BudgetExceededError as BudgetExceededError
    from redis_mob.fleet.typed.dependencies import Depends as Depends
    from redis_mob.flows import Mob as Mob, loop as loop, quorum as quorum, step as step, wait_for as wait_for
    from redis_mob.models import *
    from redis_mob.operations.fleet_admin import FleetAdmin as FleetAdmin
    from redis_mob.payloads.settings import PayloadSettings as PayloadSettings
    from redis_mob.security.sealing import SealKey as SealKey, SealKeyring as SealKeyring
    from redis_mob.sharding import (
        FleetOfNamespaces as FleetOfNamespaces,
        NamespacesFailedError as NamespacesFailedError,
    )
    from redis_mob.storage import MobStorage as MobStorage

    # After the star, so that the exception hides the event.
    from redis_mob.fleet.step_context import (
        PreviousFailure as PreviousFailure,
        StepContext as StepContext,
        StepFailed as StepFailed,
        StepThrottled as StepThrottled,
    )
    from redis_mob.fleet.step_profile import StepProfile as StepProfile

    __all__: list[str]
else:
    from redis_mob import models
    from redis_mob.lazy_names import lazy_names

    # The same names, for Python: what is added above is added here too. The last home of a name counts.
    _, __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "models": " ".join(models.__all__),
            "connection.calls.sessions": "WriteOutcome",
            "connection.retry": "RetryPolicy",
            "fleet.asking": "AskTimeoutError",
            "fleet.fleet": "Fleet",
            "fleet.isolation": "isolated",
            "fleet.spending": "BudgetExceededError",
            "fleet.step_context": "PreviousFailure StepContext StepFailed StepThrottled",
            "fleet.step_profile": "StepProfile",
            "fleet.typed.dependencies": "Depends",
            "flows": "Mob loop quorum step wait_for",
            "operations.fleet_admin": "FleetAdmin",
            "payloads.settings": "PayloadSettings",
            "security.sealing": "SealKey SealKeyring",
            "sharding": "FleetOfNamespaces NamespacesFailedError",
            "storage": "MobStorage",
        },
    )

    __all__ = [  # noqa: RUF022 - by subject
        # a storage
        "MobStorage",
        "PayloadSettings",
        "RetryPolicy",
        "SealKey",
        "SealKeyring",
        "WriteOutcome",
        # a fleet, what operators do with it, and the handlers that it calls
        "Fleet",
        "FleetAdmin",
        "Depends",
        "PreviousFailure",
        "StepContext",
        "StepFailed",
        "StepThrottled",
        "StepProfile",
        "isolated",
        # flows in Python
        "Mob",
        "step",
        "loop",
        "quorum",
        "wait_for",
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
        "BlobMissingError",
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
        "NotDrivenError",
        "NotFoundError",
        "OutcomeUnknownError",
        "ProgressTrimmedError",
        "ReadFailedError",
        "RunAlreadyExistsError",
        "RunFailedError",
        "SealKeyMismatchError",
        "SealKeyMissingError",
        "SerializationError",
        "SpecRevisionConflictError",
        "StorageUnavailableError",
        "TemplateError",
        "UnsealedSecretsWarning",
        "ValidationError",
        "VersionConflictError",
        "WaitTimeoutError",
        "WriteFailedError",
    ]
