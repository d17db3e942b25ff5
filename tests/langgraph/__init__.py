"""The checkpointer and the store of LangGraph."""
