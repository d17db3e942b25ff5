"""Metrics for Prometheus: of a namespace, read from its store; of a process, as OpenTelemetry counts them there."""
