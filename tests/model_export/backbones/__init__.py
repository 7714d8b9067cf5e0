"""Tests of the pretrained encoders, with small random models of every family."""
