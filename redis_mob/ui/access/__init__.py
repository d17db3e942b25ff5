"""Who asks, and what they may do (contract: ui-1)."""
