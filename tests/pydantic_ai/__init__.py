"""What agents of pydantic-ai keep outside of a fleet."""
