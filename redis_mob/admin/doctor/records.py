"""Whether the keys of a namespace still hold all that was written to them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from redis_mob.admin.doctor.finding import Check, NotAnsweredError, Verdict, answered, error, note, ok
from redis_mob.admin.losses import NEWEST_RUNS, Loss, losses_of
from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.errors import ReadFailedError, SerializationError

_MOST_SHOWN = 20


@dataclass(frozen=True, slots=True)
class RecordsSeen:
    """What a namespace has lost, or the damage that kept it from being looked at."""

    losses: Sequence[Loss] | NotAnsweredError
    damage: str = ""


async def probe_records(client: Client, namespace: str) -> RecordsSeen:
    """Compare the keys of a namespace with their counts; writes nothing."""
    try:
        return RecordsSeen(await losses_of(client, Keys(namespace)))
    except SerializationError as damage:
        return RecordsSeen((), str(damage))
    except ReadFailedError as refused:
        return RecordsSeen(NotAnsweredError("EVALSHA_RO", str(refused)))


def _records(seen: RecordsSeen) -> Iterator[Verdict]:
    if seen.damage:
        yield error(seen.damage, "bring the key back from a backup, or delete it and run redis-mob accept-loss")
        return
    losses = answered(seen.losses)
    lost = [loss for loss in losses if not loss.is_uncounted]
    for loss in lost[:_MOST_SHOWN]:
        yield error(str(loss), "bring it back from a backup, or redis-mob accept-loss, with --run for a key of a run")
    if len(lost) > _MOST_SHOWN:
        yield error(f"{len(lost) - _MOST_SHOWN} more keys have lost records", "the same")
    if uncounted := len(losses) - len(lost):
        yield note(
            f"{uncounted} hashes of the namespace or of runs are of an older release: what they lose is not noticed",
            "redis-mob migrate",
        )
    if not losses:
        yield ok(f"all records are there, of the newest {NEWEST_RUNS} runs too")


RECORDS_CHECK = Check("records", "Calls that would rely on what is lost are refused with SerializationError.", _records)
