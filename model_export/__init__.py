"""Training: corpora, captions, losses, towers, evaluation and the export to a bundle (needs the extra `train`)."""
