"""Spans, metrics and logs of runs by the API of OpenTelemetry, which the extra `otel` installs."""
