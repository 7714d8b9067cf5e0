"""Everything at once: every section is there, and nothing that JSON cannot hold."""

import json
from dataclasses import replace

import numpy as np
import pytest

from encoders.encoder import Encoder
from model_export.errors import CorpusError
from model_export.evaluation import Embedded, Settings, evaluate
from model_export.evaluation.readout import fitted_note


def test_every_section_is_there_and_json_can_hold_it(encoder: Encoder, worded: Embedded, quick: Settings) -> None:
    scores = evaluate(worded, encoder, quick)
    assert json.loads(json.dumps(scores, allow_nan=False)) == scores
    assert set(scores) == {
        "bundle", "corpora", "clips", "speakers", "settings", "affect", "affect_note", "graded_prompts", "emotions",
        "zero_shot", "modality_gap", "retrieval", "slices", "robustness", "unseen_words",
    }  # fmt: skip
    assert scores["affect_note"] is None
    assert (scores["affect"]["valence"]["tau"], scores["affect"]["valence"]["mae"]) == (1.0, 0.0)
    assert scores["modality_gap"]["vocabulary"]["mmd"] < 0.15
    assert scores["robustness"] is None
    assert (scores["settings"]["rounds"], scores["settings"]["graded"]) == (5, "few.csv")
    for way in ("text_to_audio", "audio_to_text"):
        assert scores["retrieval"][way]["map"] > scores["retrieval"][way]["map_by_chance"]


def test_a_bundle_that_reads_one_affect_for_all_has_nulls_and_no_failure(
    encoder: Encoder, worded: Embedded, quick: Settings
) -> None:
    dull = Embedded(
        [replace(row, emotion="") for row in worded.rows],
        np.repeat(worded.embedding[:1], len(worded.rows), axis=0),
        np.full_like(worded.affect, 4.0),
    )
    scores = evaluate(dull, encoder, quick)
    json.dumps(scores, allow_nan=False)
    assert (scores["affect"]["valence"]["tau"], scores["affect"]["valence"]["interval"]) == (None, [None, None])
    assert (scores["affect"]["valence"]["ccc"], scores["modality_gap"]["audio"]) == (0.0, len(worded.rows))
    assert "note" in scores["zero_shot"]
    assert scores["emotions"] == {}


def test_embeddings_of_another_width_are_refused(encoder: Encoder, worded: Embedded, quick: Settings) -> None:
    with pytest.raises(CorpusError, match="by another bundle"):
        evaluate(Embedded(worded.rows, worded.embedding[:, :7], worded.affect), encoder, quick)


@pytest.mark.parametrize(
    ("provenance", "said"),
    [
        ({"validation_speakers": ["made-1", "b-1"], "calibration": {"scale": [1.0, 1.0]}}, True),
        ({"validation_speakers": ["made-1"]}, False),
        ({"validation_speakers": ["b-1"], "calibration": {"scale": [1.0, 1.0]}}, False),
        ({}, False),
    ],
)
def test_figures_of_speakers_that_the_calibration_was_fitted_on_say_so(
    provenance: dict[str, object], said: bool, worded: Embedded
) -> None:
    note = fitted_note(worded.rows, provenance)
    assert (note is not None) == said
    if note:
        own = sum(row.speaker == "made-1" for row in worded.rows)
        assert note.startswith(f"{own} of the {len(worded.rows)} clips")
        assert "chose the checkpoint and fitted the calibration" in note
