"""Tests of index.report."""
