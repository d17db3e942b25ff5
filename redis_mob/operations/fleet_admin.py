"""The facade of operators over one namespace."""

from __future__ import annotations

from redis_mob.operations.admin.asks import AskAdmin
from redis_mob.operations.admin.budgets import BudgetAdmin
from redis_mob.operations.admin.bulk import BulkSteering
from redis_mob.operations.admin.conversations import ConversationAdmin
from redis_mob.operations.admin.pauses import PauseAdmin
from redis_mob.operations.admin.retention import RetentionAdmin
from redis_mob.operations.admin.run_lists import RunLists
from redis_mob.operations.admin.run_steering import RunSteering
from redis_mob.operations.admin.run_views import RunViews
from redis_mob.operations.admin.schedules import ScheduleAdmin
from redis_mob.operations.admin.transfer import RunTransfer
from redis_mob.operations.admin.usage import UsageAdmin
from redis_mob.operations.admin.verification import Verification
from redis_mob.operations.admin.webhooks import WebhookAdmin
from redis_mob.operations.admin.work import WorkViews


class FleetAdmin(
    RunLists,
    RunViews,
    RunSteering,
    BulkSteering,
    PauseAdmin,
    RetentionAdmin,
    WorkViews,
    ScheduleAdmin,
    UsageAdmin,
    Verification,
    RunTransfer,
    WebhookAdmin,
    AskAdmin,
    ConversationAdmin,
    BudgetAdmin,
):
    """Looks at the runs and workers of a namespace and steers them, without the code of the fleet."""
