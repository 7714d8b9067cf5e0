"""The spoken sample library."""
