"""Tests of the encoders package."""
