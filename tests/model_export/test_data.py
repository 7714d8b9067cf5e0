"""Clips are decoded, or all named that cannot be."""

from pathlib import Path

import pytest

from model_export import corpora, data
from model_export.errors import CorpusError


def test_clips_that_cannot_be_decoded_are_all_named(ravdess: Path) -> None:
    rows = corpora.prepare("ravdess", ravdess)[:4]
    rows[1].path.write_bytes(b"")
    rows[3].path.write_bytes(b"this is no sound" * 100)
    with pytest.raises(CorpusError) as caught:
        data.load(rows)
    assert rows[1].path.name in str(caught.value)
    assert rows[3].path.name in str(caught.value)
    rows[1].path.unlink()
    assert len(data.load([rows[0], rows[2]])) == 2
    with pytest.raises(CorpusError, match=rows[3].path.name):
        data.OnDisk(rows)[3]
