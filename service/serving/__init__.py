"""The process: the port, workers, readiness, the graceful end."""
