"""The Python client, against a real service and against one that misbehaves."""
