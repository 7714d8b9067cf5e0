"""Tests of `service.demo`."""
