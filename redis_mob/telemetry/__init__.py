"""Published: spans, metrics and logs of runs by the API of OpenTelemetry, which the extra `otel` installs."""

from redis_mob.telemetry.log_context import RunLogFilter as RunLogFilter
