"""The stores on Redis: each method encodes, calls one script, decodes."""
