"""Metrics for Prometheus: of a namespace, read from its store; of a process, as OpenTelemetry counts them there.

Why they are told by two kinds of ports: decision 0054.
"""
