"""One test module an adapter: its official layout in miniature."""
