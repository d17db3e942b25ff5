"""Metrics of a namespace and of processes."""
