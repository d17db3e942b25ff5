"""What is persisted: frozen models that read and write the contract's JSON. No I/O here.

A name is imported when it is first asked for: most programs need few of them, and each model takes its time to build.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from redis_mob.models.ask import (
        Answer as Answer,
        AnsweredAsk as AnsweredAsk,
        Ask as Ask,
        AskPlace as AskPlace,
        PendingAsk as PendingAsk,
    )
    from redis_mob.models.budget import (
        Account as Account,
        Amounts as Amounts,
        Bounds as Bounds,
        Budget as Budget,
        BudgetScope as BudgetScope,
        OnExceeded as OnExceeded,
        SharedBudget as SharedBudget,
    )
    from redis_mob.models.prices import ModelPrice as ModelPrice, Prices as Prices
    from redis_mob.models.authority import (
        AuthorizeFlowFrameReducerCommand as AuthorizeFlowFrameReducerCommand,
        AuthorizeFlowRunReducerCommand as AuthorizeFlowRunReducerCommand,
        AuthorizeLoopIterationReducerCommand as AuthorizeLoopIterationReducerCommand,
        CreateFrameSeed as CreateFrameSeed,
        CreateLoopSeed as CreateLoopSeed,
        CreateRunSeed as CreateRunSeed,
        FlowAuthorityInput as FlowAuthorityInput,
        FrameCommand as FrameCommand,
        FrameSeed as FrameSeed,
        LoopCommand as LoopCommand,
        LoopIterationRecord as LoopIterationRecord,
        LoopSeed as LoopSeed,
        RecordLoopBodyFrameCompleted as RecordLoopBodyFrameCompleted,
        RecordLoopUntilConditionFailed as RecordLoopUntilConditionFailed,
        RecordLoopUntilConditionMet as RecordLoopUntilConditionMet,
        RunCommand as RunCommand,
        RunFlow as RunFlow,
        RunSeed as RunSeed,
    )
    from redis_mob.models.base import (
        FrozenDict as FrozenDict,
        JsonValue as JsonValue,
        RunId as RunId,
        SortedDict as SortedDict,
    )
    from redis_mob.models.conditions import (
        AndCondition as AndCondition,
        ConditionExpr as ConditionExpr,
        EqCondition as EqCondition,
        GtCondition as GtCondition,
        InCondition as InCondition,
        LtCondition as LtCondition,
        NotCondition as NotCondition,
        OrCondition as OrCondition,
    )
    from redis_mob.models.config import (
        ConfigChangeEvent as ConfigChangeEvent,
        ConfigChangeKind as ConfigChangeKind,
        ConfigSnapshot as ConfigSnapshot,
        ConfigVersion as ConfigVersion,
        ConfigWrite as ConfigWrite,
        Delete as Delete,
        DeleteIfRevision as DeleteIfRevision,
        Found as Found,
        Put as Put,
        PutIfAbsent as PutIfAbsent,
        PutIfRevision as PutIfRevision,
    )
    from redis_mob.models.conversation import (
        Conversation as Conversation,
        ConversationItem as ConversationItem,
        ConversationRecord as ConversationRecord,
        OnBusy as OnBusy,
    )
    from redis_mob.models.definition import (
        AutoSpawnPolicy as AutoSpawnPolicy,
        BackendConfig as BackendConfig,
        EventRouterConfig as EventRouterConfig,
        ExternalBackendConfig as ExternalBackendConfig,
        InlineSkill as InlineSkill,
        LimitsSpec as LimitsSpec,
        MobDefinition as MobDefinition,
        NoSpawnPolicy as NoSpawnPolicy,
        OrchestratorConfig as OrchestratorConfig,
        PathSkill as PathSkill,
        PolicyMode as PolicyMode,
        RoleWiringRule as RoleWiringRule,
        SessionCleanupPolicy as SessionCleanupPolicy,
        SkillSource as SkillSource,
        SpawnPolicy as SpawnPolicy,
        SupervisorBridgeConfig as SupervisorBridgeConfig,
        SupervisorSpec as SupervisorSpec,
        TopologyRule as TopologyRule,
        TopologySpec as TopologySpec,
        WiringRules as WiringRules,
    )
    from redis_mob.models.events import (
        EventEnvelope as EventEnvelope,
        CallerProvenance as CallerProvenance,
        MobCompleted as MobCompleted,
        MobCreated as MobCreated,
        MobDestroying as MobDestroying,
        MobDestroyStorageFinalizing as MobDestroyStorageFinalizing,
        MobEvent as MobEvent,
        MobEventKind as MobEventKind,
        MobReset as MobReset,
        NewMobEvent as NewMobEvent,
        OperatorActionRecorded as OperatorActionRecorded,
        terminal_identity as terminal_identity,
    )
    from redis_mob.models.failure import (
        AgentErrorReport as AgentErrorReport,
        TurnError as TurnError,
    )
    from redis_mob.models.flow import (
        CollectionPolicyKind as CollectionPolicyKind,
        DependencyMode as DependencyMode,
        FlowFrameState as FlowFrameState,
        FlowPhase as FlowPhase,
        FlowRunState as FlowRunState,
        FlowStepStatus as FlowStepStatus,
        FramePhase as FramePhase,
        FrameScope as FrameScope,
        FrameSnapshot as FrameSnapshot,
        LoopIterationState as LoopIterationState,
        LoopPhase as LoopPhase,
        LoopSnapshot as LoopSnapshot,
        LoopStage as LoopStage,
        NodeKind as NodeKind,
        NodeStatus as NodeStatus,
    )
    from redis_mob.models.later_events import (
        MemberRetirementStarted as MemberRetirementStarted,
        MobDefinitionUpdated as MobDefinitionUpdated,
        MobOwnerBridgeSessionBound as MobOwnerBridgeSessionBound,
        MobStopped as MobStopped,
        ObjectiveConcluded as ObjectiveConcluded,
        ObjectiveOwnerBound as ObjectiveOwnerBound,
        OrchestratorResumeNotificationFailed as OrchestratorResumeNotificationFailed,
        RemoteMemberRuntimeRetired as RemoteMemberRuntimeRetired,
        RemoteMemberSupervisorRevoked as RemoteMemberSupervisorRevoked,
        RespawnTopologyAbandoned as RespawnTopologyAbandoned,
        TaskCreated as TaskCreated,
        TaskUpdated as TaskUpdated,
    )
    from redis_mob.models.unknown_event import UnknownEvent as UnknownEvent
    from redis_mob.models.flow_events import (
        SupervisorEscalationFailed as SupervisorEscalationFailed,
        FlowCanceled as FlowCanceled,
        FlowCompleted as FlowCompleted,
        FlowFailed as FlowFailed,
        FlowStarted as FlowStarted,
        StepCompleted as StepCompleted,
        StepDispatched as StepDispatched,
        StepFailed as StepFailed,
        StepSkipped as StepSkipped,
        StepTargetCompleted as StepTargetCompleted,
        StepTargetFailed as StepTargetFailed,
        SupervisorEscalation as SupervisorEscalation,
        TopologyViolation as TopologyViolation,
    )
    from redis_mob.models.flow_spec import (
        CollectAll as CollectAll,
        CollectAny as CollectAny,
        CollectionPolicy as CollectionPolicy,
        CollectQuorum as CollectQuorum,
        DependsOnMode as DependsOnMode,
        DispatchMode as DispatchMode,
        FlowSpec as FlowSpec,
        FlowStepSpec as FlowStepSpec,
        FrameNodeSpec as FrameNodeSpec,
        FrameSpec as FrameSpec,
        FrameStepSpec as FrameStepSpec,
        Isolation as Isolation,
        OnTimeout as OnTimeout,
        OutputFormat as OutputFormat,
        RepeatUntilSpec as RepeatUntilSpec,
        RetrySpec as RetrySpec,
        WaitSpec as WaitSpec,
    )
    from redis_mob.models.message import (
        BlobImageBlock as BlobImageBlock,
        ContentBlock as ContentBlock,
        ImageBlock as ImageBlock,
        InlineImageBlock as InlineImageBlock,
        Message as Message,
        SkillContextBlock as SkillContextBlock,
        StructuredBlock as StructuredBlock,
        TextBlock as TextBlock,
        VideoBlock as VideoBlock,
    )
    from redis_mob.models.ids import (
        AgentRuntimeId as AgentRuntimeId,
        FrameAtomicOperation as FrameAtomicOperation,
        KeyBytes as KeyBytes,
    )
    from redis_mob.models.member_events import (
        ContinuityIntent as ContinuityIntent,
        DurableIdentity as DurableIdentity,
        Ephemeral as Ephemeral,
        ExternalPeerSpec as ExternalPeerSpec,
        ExternalPeerUnwired as ExternalPeerUnwired,
        ExternalPeerWired as ExternalPeerWired,
        KickoffPhase as KickoffPhase,
        MemberKickoff as MemberKickoff,
        MemberKickoffUpdated as MemberKickoffUpdated,
        MemberReset as MemberReset,
        MemberRetired as MemberRetired,
        MemberSpawned as MemberSpawned,
        MembersUnwired as MembersUnwired,
        MembersWired as MembersWired,
        MembersWiredBatch as MembersWiredBatch,
        PeerAddress as PeerAddress,
        PeerTransport as PeerTransport,
        SystemTime as SystemTime,
        WiringEdge as WiringEdge,
    )
    from redis_mob.models.member_ref import (
        BackendPeerMemberRef as BackendPeerMemberRef,
        MemberRef as MemberRef,
        SessionMemberRef as SessionMemberRef,
    )
    from redis_mob.models.overlay import (
        ExternalBindingOverlayRecord as ExternalBindingOverlayRecord,
        OverlayFailed as OverlayFailed,
        OverlayFailure as OverlayFailure,
        OverlayStatus as OverlayStatus,
    )
    from redis_mob.models.profile import (
        MobBackendKind as MobBackendKind,
        MobRuntimeMode as MobRuntimeMode,
        Profile as Profile,
        ProfileBinding as ProfileBinding,
        RealmProfileRef as RealmProfileRef,
        StoredRealmProfile as StoredRealmProfile,
        ToolConfig as ToolConfig,
    )
    from redis_mob.models.progress import (
        ProgressEntry as ProgressEntry,
        ProgressReport as ProgressReport,
        RunOver as RunOver,
        StreamChunk as StreamChunk,
        StreamEnd as StreamEnd,
        StreamReset as StreamReset,
    )
    from redis_mob.models.revision import (
        extract_meta_revision as extract_meta_revision,
    )
    from redis_mob.models.run import MobRun as MobRun
    from redis_mob.models.ledger import (
        FailureLedgerEntry as FailureLedgerEntry,
        LoopIterationLedgerEntry as LoopIterationLedgerEntry,
        StepLedgerEntry as StepLedgerEntry,
        StepRunStatus as StepRunStatus,
    )
    from redis_mob.models.run_status import MobRunStatus as MobRunStatus
    from redis_mob.models.signal import (
        Taken as Taken,
    )
    from redis_mob.models.supervisor import (
        BRIDGE_PROTOCOL_VERSION as BRIDGE_PROTOCOL_VERSION,
        SupervisorAuthorityRecord as SupervisorAuthorityRecord,
        SupervisorPendingRotationRecord as SupervisorPendingRotationRecord,
    )

    __all__: list[str]
else:
    from redis_mob.lazy_names import lazy_names

    # The same names, for Python: what is added above is added here too.
    __all__, __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "ask": "Answer AnsweredAsk Ask AskPlace PendingAsk",
            "budget": "Account Amounts Bounds Budget BudgetScope OnExceeded SharedBudget",
            "prices": "ModelPrice Prices",
            "authority": (
                "AuthorizeFlowFrameReducerCommand AuthorizeFlowRunReducerCommand "
                "AuthorizeLoopIterationReducerCommand CreateFrameSeed CreateLoopSeed CreateRunSeed "
                "FlowAuthorityInput FrameCommand FrameSeed LoopCommand LoopIterationRecord LoopSeed "
                "RecordLoopBodyFrameCompleted RecordLoopUntilConditionFailed RecordLoopUntilConditionMet "
                "RunCommand RunFlow RunSeed"
            ),
            "base": "FrozenDict JsonValue RunId SortedDict",
            "conditions": (
                "AndCondition ConditionExpr EqCondition GtCondition InCondition LtCondition NotCondition OrCondition"
            ),
            "config": (
                "ConfigChangeEvent ConfigChangeKind ConfigSnapshot ConfigVersion ConfigWrite Delete "
                "DeleteIfRevision Found Put PutIfAbsent PutIfRevision"
            ),
            "conversation": "Conversation ConversationItem ConversationRecord OnBusy",
            "definition": (
                "AutoSpawnPolicy BackendConfig EventRouterConfig ExternalBackendConfig InlineSkill "
                "LimitsSpec MobDefinition NoSpawnPolicy OrchestratorConfig PathSkill PolicyMode "
                "RoleWiringRule SessionCleanupPolicy SkillSource SpawnPolicy SupervisorBridgeConfig "
                "SupervisorSpec TopologyRule TopologySpec WiringRules"
            ),
            "events": (
                "CallerProvenance EventEnvelope MobCompleted MobCreated MobDestroying MobDestroyStorageFinalizing "
                "MobEvent MobEventKind MobReset NewMobEvent OperatorActionRecorded terminal_identity"
            ),
            "failure": "AgentErrorReport TurnError",
            "flow": (
                "CollectionPolicyKind DependencyMode FlowFrameState FlowPhase FlowRunState FlowStepStatus "
                "FramePhase FrameScope FrameSnapshot LoopIterationState LoopPhase LoopSnapshot LoopStage "
                "NodeKind NodeStatus"
            ),
            "flow_events": (
                "FlowCanceled FlowCompleted FlowFailed FlowStarted StepCompleted StepDispatched StepFailed "
                "StepSkipped StepTargetCompleted StepTargetFailed SupervisorEscalation SupervisorEscalationFailed "
                "TopologyViolation"
            ),
            "flow_spec": (
                "CollectAll CollectAny CollectionPolicy CollectQuorum DependsOnMode DispatchMode FlowSpec "
                "FlowStepSpec FrameNodeSpec FrameSpec FrameStepSpec Isolation OnTimeout OutputFormat RepeatUntilSpec "
                "RetrySpec WaitSpec"
            ),
            "ids": "AgentRuntimeId FrameAtomicOperation KeyBytes",
            "member_events": (
                "ContinuityIntent DurableIdentity Ephemeral ExternalPeerSpec ExternalPeerUnwired "
                "ExternalPeerWired KickoffPhase MemberKickoff MemberKickoffUpdated MemberReset "
                "MemberRetired MemberSpawned MembersUnwired MembersWired MembersWiredBatch PeerAddress "
                "PeerTransport SystemTime WiringEdge"
            ),
            "member_ref": "BackendPeerMemberRef MemberRef SessionMemberRef",
            "overlay": "ExternalBindingOverlayRecord OverlayFailed OverlayFailure OverlayStatus",
            "profile": (
                "MobBackendKind MobRuntimeMode Profile ProfileBinding RealmProfileRef StoredRealmProfile ToolConfig"
            ),
            "progress": "ProgressEntry ProgressReport RunOver StreamChunk StreamEnd StreamReset",
            "revision": "extract_meta_revision",
            "later_events": (
                "MemberRetirementStarted MobDefinitionUpdated MobOwnerBridgeSessionBound MobStopped ObjectiveConcluded "
                "ObjectiveOwnerBound OrchestratorResumeNotificationFailed RemoteMemberRuntimeRetired "
                "RemoteMemberSupervisorRevoked RespawnTopologyAbandoned TaskCreated TaskUpdated"
            ),
            "ledger": "FailureLedgerEntry LoopIterationLedgerEntry StepLedgerEntry StepRunStatus",
            "message": (
                "BlobImageBlock ContentBlock ImageBlock InlineImageBlock Message SkillContextBlock StructuredBlock "
                "TextBlock VideoBlock"
            ),
            "run": "MobRun",
            "run_status": "MobRunStatus",
            "signal": "Taken",
            "unknown_event": "UnknownEvent",
            "supervisor": "BRIDGE_PROTOCOL_VERSION SupervisorAuthorityRecord SupervisorPendingRotationRecord",
        },
    )
