"""What goes on, for all tabs that are open: the log is read once, the server is asked at a bounded rate."""
