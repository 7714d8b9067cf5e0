"""Measurements with the command that makes them; ratios against a baseline of the same run, medians."""
