"""Runs as lines of a file, and back (contract: operations-207).

The first line says what the file is. A definition stands on a line of its own before the first run that has it. The
last line says how many runs there are, so that a file that was cut is known.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, NamedTuple, cast

import pydantic
from pydantic_core import from_json

from redis_mob.codec.arguments import valid_text
from redis_mob.codec.definitions import digests_of
from redis_mob.errors import CasConflictError, InternalError, NotFoundError, ValidationError, shown
from redis_mob.models.base import Model, SortedDict, json_text
from redis_mob.models.definition import MobDefinition
from redis_mob.models.documents import BYTE_ORDER_MARK
from redis_mob.models.events import MobEvent
from redis_mob.models.problems import problems
from redis_mob.models.run_copy import CheckpointsCopy, EventCopy, ExecutionCopy, ItemsCopy, RunCopy, SignalCopy
from redis_mob.models.run_summary import RunFilter
from redis_mob.operations.import_checks import check_parts
from redis_mob.operations.run_list import every_run
from redis_mob.operations.verifying import read_whole
from redis_mob.past.run_events import checked_run_id, events_of, pages_after, run_of
from redis_mob.storage import MobStorage

FORMAT = "redis_mob runs"
VERSION = 2
_WITHOUT_END = 1
"""The version whose files have no last line of their own."""

_HEADER = {"format": FORMAT, "version": VERSION}
_END = "runs"
"""What the last line has alone: how many runs there are."""


class ImportedRun(NamedTuple):
    """A run of a file, and whether it was stored; else there was one of its id."""

    run_id: str
    is_stored: bool


async def export(storage: MobStorage, run_ids: Iterable[str], *, skip_absent: bool = False) -> AsyncIterator[str]:
    """See `FleetAdmin.export`. With `skip_absent` a run that was deleted meanwhile is left out."""
    yield json_text(_HEADER)
    written: set[str] = set()
    number = 0
    for run_id in run_ids:
        try:
            copy = await copy_of(storage, checked_run_id(run_id))
        except NotFoundError:
            if skip_absent:
                continue
            raise
        digest = copy.launch.definition
        if digest not in written:
            written.add(digest)
            definition = await storage.executions.get_definition(digest)
            yield json_text({"definition": definition.model_dump(mode="json")})
        yield copy.model_dump_json()
        number += 1
    yield json_text({_END: number})


async def export_all(storage: MobStorage, which: RunFilter) -> AsyncIterator[str]:
    """See `FleetAdmin.export_all`."""
    found = [run.run_id async for run in every_run(storage, which, None) if run.definition is not None]
    async for line in export(storage, reversed(found), skip_absent=True):
        yield line


def check_header(line: str, document: Mapping[str, Any]) -> int:
    """The version that the first line of an export names. Raises ValidationError if it is none that is read here."""
    version = document.get("version")
    if document.get("format") != FORMAT or type(version) is not int or version not in (_WITHOUT_END, VERSION):
        raise ValidationError(f"line 1: this is no export of runs, or one of a later release: {shown(line)}")
    return version


async def import_runs(
    storage: MobStorage, lines: Iterable[str], *, skip_existing: bool, include_unfinished: bool
) -> AsyncIterator[ImportedRun]:
    """See `FleetAdmin.import_runs`."""
    importer = _Importer(storage, skip_existing=skip_existing, include_unfinished=include_unfinished)
    for line in _each(lines):
        if (imported := await importer.take(line)) is not None:
            yield imported
    importer.end()


def _each(lines: object) -> Iterable[object]:
    """The lines, one after the other: a file has more than are to be held. Raises ValidationError for what has none."""
    kind = type(lines)
    if isinstance(lines, str | bytes | Mapping) or not isinstance(lines, Iterable):
        raise ValidationError(f"lines must be an iterable of the lines of an export, not of type {kind.__name__}")
    return cast("Iterable[object]", lines)


async def copy_of(storage: MobStorage, run_id: str) -> RunCopy:
    """A run with all that is kept beside it, at one moment. Raises as `FleetAdmin.export`."""
    view, run = await read_whole(storage, run_id)
    items = [
        ItemsCopy(
            frame_id=node[0],
            node_id=node[1],
            progress=progress,
            values=tuple(await storage.executions.items(run_id, *node)),
        )
        for node, progress in sorted(view.progress.items())
    ]
    return RunCopy(
        run=run,
        launch=view.launch,
        launched_at=view.launched_at,
        cancel_requested=view.cancel_requested,
        version=view.version,
        reports=view.reports,
        moves=view.moves,
        labels=view.labels,
        executions=tuple(
            ExecutionCopy(frame_id=key.frame_id, node_id=key.node_id, target=key.target, execution=one)
            for key, one in sorted(view.executions.items())
        ),
        items=tuple(items),
        signals=tuple(SignalCopy(number=number, signal=one) for number, one in view.signals.items()),
        published=SortedDict(await storage.steering.published_of(run_id)),
        checkpoints=tuple(
            CheckpointsCopy(frame_id=key.frame_id, node_id=key.node_id, target=key.target, checkpoints=tuple(kept))
            for key, kept in (await storage.checkpoints.of_run(run_id)).items()
        ),
        events=tuple(map(_event, await _events(storage, run_id, view.launched_at, run.completed_at))),
    )


async def _events(storage: MobStorage, run_id: str, launched_at: Any, completed_at: Any) -> list[MobEvent]:
    found = await events_of(storage.events, run_id, launched_at, completed_at)
    if found is None:  # some are pruned, or far away: the log is looked through
        found = [event async for event in pages_after(storage.events, 0) if run_of(event) == run_id]
    return found


def _event(event: MobEvent) -> EventCopy:
    parts = {name: part.model_dump(mode="json") if isinstance(part, Model) else part for name, part in event}
    del parts["cursor"]
    return EventCopy.model_validate(parts)


class _Importer:
    """Takes the lines of one file, one after the other."""

    def __init__(self, storage: MobStorage, *, skip_existing: bool, include_unfinished: bool) -> None:
        self._storage = storage
        self._skips, self._takes_unfinished = skip_existing, include_unfinished
        self._definitions: dict[str, MobDefinition] = {}
        self._line = self._runs = 0
        self._has_begun = self._is_whole = False

    def end(self) -> None:
        """Raises ValidationError if there was no line at all, or the last one is missing."""
        if not self._has_begun:
            raise ValidationError("there is no line: this is no export of runs")
        if not self._is_whole:
            raise ValidationError(
                f"the export was cut: it ends with line {self._line} and does not say how many runs there are. The "
                f"{self._runs} it has were taken; export again, and import the rest with --skip-existing"
            )

    async def take(self, line: object) -> ImportedRun | None:
        """The run on a line, None if there is none, as on a line of blanks.

        Raises ValidationError naming the line that is none of such a file, CasConflictError for a run that is there, or
        is not over, unless that is wanted.
        """
        self._line += 1
        text = valid_text(f"line {self._line}", line)
        if not text.strip():
            return None
        if not self._has_begun:
            text = text.removeprefix(BYTE_ORDER_MARK)
        document = self._document(text)
        if not self._has_begun:
            self._has_begun = True
            self._is_whole = check_header(text, document) == _WITHOUT_END
            return None
        if document.keys() == {_END}:
            self._take_end(document[_END])
            return None
        try:
            if "definition" in document:
                definition = MobDefinition.model_validate(document["definition"])
                self._definitions.update(dict.fromkeys(digests_of(definition), definition))
                return None
            copy = RunCopy.model_validate_json(text)
        except pydantic.ValidationError as error:
            raise ValidationError(f"line {self._line}: {problems(error)}") from None
        imported = ImportedRun(copy.run.run_id, await self._store(copy))
        self._runs += 1
        return imported

    def _take_end(self, number: Any) -> None:
        if type(number) is not int or number != self._runs:
            raise ValidationError(
                f"line {self._line}: the export has {shown(number)} runs, and {self._runs} of them stand in the file, "
                "which has lost lines: export again, and import the rest with --skip-existing"
            )
        self._is_whole = True

    def _document(self, line: str) -> dict[str, Any]:
        try:
            document = from_json(line)
        except ValueError as error:
            raise ValidationError(f"line {self._line}: no JSON: {error}") from None
        if not isinstance(document, dict):
            raise ValidationError(f"line {self._line}: an object is needed, not {shown(document)}")
        return cast("dict[str, Any]", document)

    async def _store(self, copy: RunCopy) -> bool:
        run_id, status = copy.run.run_id, copy.run.status
        definition = self._definitions.get(copy.launch.definition)
        if definition is None:
            raise ValidationError(
                f"line {self._line}: the definition of run {run_id} does not stand before it, or this release reads it "
                f"as another one: {shown(copy.launch.definition)}"
            )
        if not status.is_terminal and not self._takes_unfinished:
            raise CasConflictError(
                f"line {self._line}: run {run_id} is {status}, and would go on here: give --include-unfinished if it "
                "does not go on where it was exported"
            )
        if await self._import(copy.waiting_again(), definition):
            return True
        if self._skips:
            return False
        raise CasConflictError(
            f"line {self._line}: there is a run {run_id} already: delete it, or give --skip-existing"
        )

    async def _import(self, copy: RunCopy, definition: MobDefinition) -> bool:
        try:
            if copy.run.flow_id in definition.flows:  # else the store says so
                check_parts(copy, definition)
            return await self._storage.steering.import_run(copy, definition)
        except (ValidationError, InternalError) as error:
            raise ValidationError(f"line {self._line}: {error}") from None
