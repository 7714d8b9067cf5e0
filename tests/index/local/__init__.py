"""Tests of `index.local`."""
