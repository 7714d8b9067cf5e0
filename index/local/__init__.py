"""The local store: a directory with a SQLite catalog and the FAISS vectors derived from it."""
