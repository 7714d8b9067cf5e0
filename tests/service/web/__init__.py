"""Tests of `service.access`."""
