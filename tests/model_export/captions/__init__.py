"""Tests of model_export."""
