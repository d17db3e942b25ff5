"""Following a log, wherever it lies: the log is the truth, a bell only says when to look."""
