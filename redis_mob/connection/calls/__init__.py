"""Scripts as calls: numbered, sent until their outcome is known, and confirmed as durable."""
