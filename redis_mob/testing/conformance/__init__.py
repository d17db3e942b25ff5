"""The conformance suite: what any implementation of the store contracts must do, as pytest classes.

A backend author makes every class visible in a test module, and gives them one fixture:

    from redis_mob.testing.conformance import *

    @pytest.fixture
    def backend() -> Backend:
        return MyBackend(...)

Each class is a guarantee, which the first sentence of its docstring says; a backend without one of the stores imports
only the classes it wants, or leaves None in the place of the store. The numbers in the names of the tests are those of
the cases of the contracts: docs/cases.md lists them. Why the suite is published: decision 0014.
"""

from redis_mob.testing.conformance.asks import TestAsks
from redis_mob.testing.conformance.authority_inputs import TestAuthorityInputs
from redis_mob.testing.conformance.budgets import TestBudgets, TestBudgetWindows
from redis_mob.testing.conformance.children import TestChildren
from redis_mob.testing.conformance.compound_operations import TestCompoundOperations, TestFrames, TestPresenceAndAbsence
from redis_mob.testing.conformance.concurrent_changes import TestConcurrentChanges, TestReadingOfRuns
from redis_mob.testing.conformance.config_documents import (
    TestConfigDocuments,
    TestConfigHistories,
    TestDamagedConfigDocuments,
    TestRefusedConfigDocuments,
)
from redis_mob.testing.conformance.config_feed import TestConfigFeed, TestConfigFeedRetention, TestConfigSubscriptions
from redis_mob.testing.conformance.config_listings import TestConfigListings, TestConfigWalks
from redis_mob.testing.conformance.config_names import TestConfigNames, TestConfigScopes
from redis_mob.testing.conformance.config_revisions import TestConfigCreation, TestConfigRaces, TestConfigRevisions
from redis_mob.testing.conformance.config_transactions import TestConfigSnapshots, TestConfigTransactions
from redis_mob.testing.conformance.conversations import TestConversationHistories, TestConversations
from redis_mob.testing.conformance.debounces import TestDebounces
from redis_mob.testing.conformance.due_work import TestDueWork, TestWorkers
from redis_mob.testing.conformance.event_log import TestEventBatches, TestEventLog, TestStoredEvents
from redis_mob.testing.conformance.executions import TestCancellation, TestComparing, TestFleetRuns
from redis_mob.testing.conformance.flow_state import TestFlowState, TestRunSnapshots
from redis_mob.testing.conformance.host import TestHostCommits, TestHostFence, TestHostScopes
from redis_mob.testing.conformance.interrupted_changes import TestInterruptedChanges
from redis_mob.testing.conformance.items import TestItems
from redis_mob.testing.conformance.labels import TestLabels
from redis_mob.testing.conformance.ledgers import (
    TestFailureLedger,
    TestLedgers,
    TestLoops,
    TestStepLedger,
    TestStepLedgerOutputs,
)
from redis_mob.testing.conformance.other_releases import TestOtherReleases
from redis_mob.testing.conformance.overlays import TestOverlays
from redis_mob.testing.conformance.pruning import TestPruning, TestStructuralEvents
from redis_mob.testing.conformance.realm_profiles import (
    TestRealmProfileRevisions,
    TestRealmProfiles,
    TestUnreadableRealmProfiles,
)
from redis_mob.testing.conformance.records import TestRecordListings, TestRecords, TestUnreadableRecords
from redis_mob.testing.conformance.role_limits import TestRoleLimits
from redis_mob.testing.conformance.run_status import TestRunStatus
from redis_mob.testing.conformance.runs import TestDamagedRuns, TestListsOfRuns, TestNamesInRuns, TestRuns
from redis_mob.testing.conformance.runtime_metadata import (
    TestMetadataOfMobs,
    TestSupervisorAuthority,
    TestSupervisorSuccession,
    TestUnreadableMetadata,
)
from redis_mob.testing.conformance.signals import TestPublishedValues, TestSignals
from redis_mob.testing.conformance.specs import TestSpecRevisions, TestSpecs, TestUnreadableSpecs
from redis_mob.testing.conformance.step_outputs import TestBoundOfIterations, TestStepOutputs
from redis_mob.testing.conformance.subscriptions import TestInterruptedSubscriptions, TestLostEvents, TestSubscriptions
from redis_mob.testing.conformance.terminal_commit import TestTerminalCommit
from redis_mob.testing.conformance.terminal_events import TestEndedJobs, TestFailedSteps, TestTerminalEvents
from redis_mob.testing.conformance.token_limits import TestTokenLimits
from redis_mob.testing.conformance.transfers import TestBroughtDocuments, TestBroughtEvents, TestMetadataOfAllMobs
from redis_mob.testing.conformance.transitions import TestLostTransitions, TestTransitions
from redis_mob.testing.conformance.unknown_fields import TestUnknownFields

__all__ = [
    "TestAsks",
    "TestAuthorityInputs",
    "TestBoundOfIterations",
    "TestBroughtDocuments",
    "TestBroughtEvents",
    "TestBudgetWindows",
    "TestBudgets",
    "TestCancellation",
    "TestChildren",
    "TestComparing",
    "TestCompoundOperations",
    "TestConcurrentChanges",
    "TestConfigCreation",
    "TestConfigDocuments",
    "TestConfigFeed",
    "TestConfigFeedRetention",
    "TestConfigHistories",
    "TestConfigListings",
    "TestConfigNames",
    "TestConfigRaces",
    "TestConfigRevisions",
    "TestConfigScopes",
    "TestConfigSnapshots",
    "TestConfigSubscriptions",
    "TestConfigTransactions",
    "TestConfigWalks",
    "TestConversationHistories",
    "TestConversations",
    "TestDamagedConfigDocuments",
    "TestDamagedRuns",
    "TestDebounces",
    "TestDueWork",
    "TestEndedJobs",
    "TestEventBatches",
    "TestEventLog",
    "TestFailedSteps",
    "TestFailureLedger",
    "TestFleetRuns",
    "TestFlowState",
    "TestFrames",
    "TestHostCommits",
    "TestHostFence",
    "TestHostScopes",
    "TestInterruptedChanges",
    "TestInterruptedSubscriptions",
    "TestItems",
    "TestLabels",
    "TestLedgers",
    "TestListsOfRuns",
    "TestLoops",
    "TestLostEvents",
    "TestLostTransitions",
    "TestMetadataOfAllMobs",
    "TestMetadataOfMobs",
    "TestNamesInRuns",
    "TestOtherReleases",
    "TestOverlays",
    "TestPresenceAndAbsence",
    "TestPruning",
    "TestPublishedValues",
    "TestReadingOfRuns",
    "TestRealmProfileRevisions",
    "TestRealmProfiles",
    "TestRecordListings",
    "TestRecords",
    "TestRefusedConfigDocuments",
    "TestRoleLimits",
    "TestRunSnapshots",
    "TestRunStatus",
    "TestRuns",
    "TestSignals",
    "TestSpecRevisions",
    "TestSpecs",
    "TestStepLedger",
    "TestStepLedgerOutputs",
    "TestStepOutputs",
    "TestStoredEvents",
    "TestStructuralEvents",
    "TestSubscriptions",
    "TestSupervisorAuthority",
    "TestSupervisorSuccession",
    "TestTerminalCommit",
    "TestTerminalEvents",
    "TestTokenLimits",
    "TestTransitions",
    "TestUnknownFields",
    "TestUnreadableMetadata",
    "TestUnreadableRealmProfiles",
    "TestUnreadableRecords",
    "TestUnreadableSpecs",
    "TestWorkers",
]
