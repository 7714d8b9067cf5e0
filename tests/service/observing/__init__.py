"""Tests of `service.observing`."""
