"""An isolated handler whose module sets a provider, as an application does; not where it is imported by a test."""

from __future__ import annotations

import sys

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from redis_mob import StepContext, isolated

if "pytest" not in sys.modules:
    trace.set_tracer_provider(TracerProvider())


@isolated
async def traced(ctx: StepContext) -> str:
    """The id of the span that is current in the process."""
    return f"{trace.get_current_span().get_span_context().span_id:016x}"
