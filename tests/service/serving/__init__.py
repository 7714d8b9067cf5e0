"""Tests of `service.serving`."""
