"""Servers on this machine that tests kill, pause and cut off: one alone, a Cluster, a service with Sentinels."""
