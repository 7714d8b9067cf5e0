"""The routes, one module a resource. Each route is typed input, one call off the event loop, one response."""
