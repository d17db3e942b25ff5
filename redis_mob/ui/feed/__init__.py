"""What goes on, for all tabs: the log is read once, and the server asked at a bounded rate (decision 0050)."""
