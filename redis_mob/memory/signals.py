"""Signals to runs, and what their handlers publish, in memory."""

from __future__ import annotations

from typing import Any

from redis_mob.codec import signals
from redis_mob.codec.arguments import optional_text, text
from redis_mob.codec.executions import checked_key, encode_execution
from redis_mob.errors import CasConflictError
from redis_mob.memory.namespace import Access, Namespace
from redis_mob.memory.run_changes import copied
from redis_mob.memory.run_lookup import existing_run, run_key
from redis_mob.models.execution import Execution, ExecutionKey
from redis_mob.models.run import MobRun
from redis_mob.models.run_status import MobRunStatus
from redis_mob.models.signal import MOST_PUBLISHED, MOST_QUEUED, Published, Sent, Signal
from redis_mob.notifications.run_messages import run_message


class MemorySignals:
    """The part of the contract's `ExecutionStore` that is about signals and published values."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def send_signal(self, run_id: str, signal: Signal, *, idempotency_key: str | None = None) -> Sent:
        """See `ExecutionStore.send_signal`."""
        content = self._access.content
        signals.encode_signal(signal)
        key = optional_text("idempotency_key", idempotency_key)
        identity, run = signals.identity_of(signal), existing_run(content, run_id)
        mailbox = content.mailboxes[run.run_id]
        if key is not None and key in mailbox.receipts:
            number, sent = mailbox.receipts[key]
            if sent != identity:
                raise signals.another_was_sent(run_id, key)
            return Sent(number, is_repeated=True)
        if run.status.is_terminal:
            raise signals.run_is_over(run_id, signal)
        if len(mailbox.waiting) >= MOST_QUEUED:
            raise signals.too_many_wait(run_id, signal)
        number = put_signal(content, run, copied(signal))
        if key is not None:
            mailbox.receipts[key] = number, identity
        return Sent(number)

    async def publish(self, run_id: str, key: ExecutionKey, execution: Execution, name: str, value: Any) -> bool:
        """See `ExecutionStore.publish`."""
        content, name = self._access.content, text("name", name)
        expected, data = encode_execution(execution), signals.encode_published(name, value)
        run = existing_run(content, run_id)
        stored = content.executions.get(run.run_id, {}).get(checked_key(key))
        if stored is None or encode_execution(stored) != expected:
            return False
        published = content.mailboxes[run.run_id].published
        if name not in published and len(published) >= MOST_PUBLISHED:
            raise CasConflictError(f"run {run_id}: {signals.too_many_published(name)}")
        published[name] = data
        content.run_wake_ups.send(run_message(run.run_id, is_due=False))
        return True

    async def published(self, run_id: str, name: str) -> Published | None:
        """See `ExecutionStore.published`."""
        content, run_id, name = self._access.content, run_key(run_id), text("name", name)
        run = content.runs.get(run_id)
        if run is None:
            return None
        data = content.mailboxes[run_id].published.get(name)
        if data is None:
            return Published(run.status.is_terminal)
        return Published(run.status.is_terminal, True, signals.decode_published(run_id, name, data))


def put_signal(content: Namespace, run: MobRun, signal: Signal) -> int:
    """Put a signal behind all others of a run, and make the run due; its number."""
    mailbox = content.mailboxes[run.run_id]
    mailbox.sent += 1
    mailbox.waiting[mailbox.sent] = signal
    content.reports[run.run_id] += 1
    if run.status is MobRunStatus.RUNNING:
        content.report(run.run_id)
        content.run_wake_ups.send(run_message(run.run_id, is_due=True))
    return mailbox.sent
