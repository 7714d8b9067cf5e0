"""Tests of the Milvus store's own parts."""
