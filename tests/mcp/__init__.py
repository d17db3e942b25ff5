"""Flows as tools: the server of redis_mob.mcp, driven by the client of the official package."""
