"""Tells how good a step of a run was: the event `gen_ai.evaluation.result` (contract: telemetry-8)."""

from __future__ import annotations

from redis_mob.telemetry import active, names
from redis_mob.telemetry import genai_names as genai


def tell_score(
    *, start: str | None, mob: str, flow: str, run: str, step: str, name: str, value: float, label: str | None
) -> None:
    """Tell a score within the trace of the run whose start has this context, if the application has set providers.

    Where it has set none of loggers, by which events are told, a span of this name tells the same.
    """
    attributes: dict[str, str | float] = {
        names.MOB_ID: mob,
        names.FLOW_ID: flow,
        names.RUN_ID: run,
        names.STEP_ID: step,
        genai.EVALUATION_NAME: name,
        genai.EVALUATION_SCORE_VALUE: value,
    }
    if label is not None:
        attributes[genai.EVALUATION_SCORE_LABEL] = label
    if not active.has_opentelemetry():
        return
    from redis_mob.telemetry.broken import tell_broken
    from redis_mob.telemetry.providers import set_logger_provider
    from redis_mob.telemetry.spans import context_of, end

    loggers = set_logger_provider()
    if loggers is not None:
        logger = loggers.get_logger(names.SCOPE)
        try:
            logger.emit(event_name=genai.EVALUATION_RESULT, context=context_of(start), attributes=attributes)
        except Exception as error:  # noqa: BLE001 - of the application
            tell_broken(error)
    elif active.spans is not None:
        end(active.spans.internal(genai.EVALUATION_RESULT, attributes, context_of(start)))
