"""What the service tells of itself: metrics, timings, traces, the access log."""
