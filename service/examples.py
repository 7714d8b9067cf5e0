"""The examples of the OpenAPI document, one for each answer and request; tests check them against the schemas."""

from typing import Any, Final

Example = dict[str, Any]

ID: Final = "0f343b0931126a20"
FINGERPRINT: Final = "5d41402abc4b2a76b9719d911017c592ae3f0d1a2b7c8e9f60718293a4b5c6d7"
AFFECT: Final[Example] = {"valence": 2.41, "arousal": 5.83}
CLIP: Final[Example] = {
    "id": ID,
    "name": "03-01-05-01-01-01-01.wav",
    "duration": 3.3,
    "added_at": "2025-03-01T12:00:00Z",
    "metadata": {"speaker": "01"},
    "affect": AFFECT,
    "segments": 1,
    "sha256": "0f343b0931126a20f68168797c2b01a950cf11b619d17d94b1f52c0d33f0a4ab",
    "audio_url": f"/v1/clips/{ID}/audio",
}
PROBLEM: Final[Example] = {
    "type": "urn:emotionrank:problem:audio-too-short",
    "title": "The sound is too short",
    "status": 422,
    "detail": "second.wav is too short: 0.05 s of sound, at least 0.3 s are needed.",
}
SEARCH_REQUESTS: Final[list[Example]] = [
    {"query": "an angry, furious voice", "k": 5},
    {
        "query": [{"text": "a happy, cheerful voice"}, {"text": "shouting", "weight": -0.5}],
        "k": 10,
        "filter": {"duration": {"gte": 1}},
        "min_score": 0.1,
    },
    {"query": [{"affect": {"valence": 6, "arousal": 2.5}}], "distinct": True},
    {"query": "a neutral voice", "shift": {"arousal": 1.5}},
    {"query": "a tense voice", "region": {"valence": [1, 3], "arousal": [5, 7]}},
]
SEARCH_RESPONSE: Final[Example] = {
    "hits": [{"rank": 1, "score": 0.431207, "clip": CLIP, "start": 0.0, "end": 3.3, "affect": AFFECT}],
    "k": 10,
    "offset": 0,
    "affect": AFFECT,
    "hints": [],
}
CLIPS_RESPONSE: Final[Example] = {"clips": [CLIP], "total": 1, "offset": 0, "limit": 100, "hints": []}
WAVEFORM_RESPONSE: Final[Example] = {"duration": 3.3, "peaks": [0.0, 0.214, 0.482, 0.127]}
FACETS_RESPONSE: Final[Example] = {
    "facets": [
        {
            "field": "speaker",
            "clips": 200,
            "distinct": 10,
            "values": [{"value": "03", "clips": 25}, {"value": "08", "clips": 21}],
            "ranges": [],
        },
        {
            "field": "arousal",
            "clips": 200,
            "distinct": None,
            "values": [],
            "ranges": [{"low": None, "high": 2.0, "clips": 4}, {"low": 2.0, "high": 3.0, "clips": 31}],
        },
    ],
    "total": 200,
    "hints": [],
}
ADD_RESPONSE: Final[Example] = {
    "results": [
        {"name": "first.wav", "status": "added", "clip": CLIP, "problem": None},
        {"name": "second.wav", "status": "failed", "clip": None, "problem": PROBLEM},
    ]
}
DESCRIBE_RESPONSE: Final[Example] = {
    "name": "voice.wav",
    "duration": 61.5,
    "voiced": 48.3,
    "affect": AFFECT,
    "affect_interval": {"level": 0.9, "valence": [1.0, 4.5], "arousal": [4.6, 7.0]},
    "summary": "Sounds tense and negative, closest to anger and fear; calmer after 0:42.",
    "confidence": "usual",
    "doubts": [],
    "terms": [{"term": "anger", "share": 0.62}, {"term": "fear", "share": 0.38}],
    "terms_calibrated_on": ["anger", "fear"],
    "prompts": [{"text": "an angry, furious voice", "term": "anger", "score": 0.431207, "affect": AFFECT}],
    "candidates": [{"text": "a tense argument", "score": 0.3921}],
    "timeline": [
        {"start": 0.0, "end": 4.0, "affect": AFFECT, "smoothed": AFFECT, "term": "anger"},
        {"start": 2.0, "end": 6.0, "affect": AFFECT, "smoothed": AFFECT, "term": "fear"},
    ],
    "changes": [{"at": 42.1, "before": AFFECT, "after": {"valence": 2.6, "arousal": 3.1}, "words": "calmer"}],
    "embedding": [0.6, 0.8],
    "peaks": [0.02, 0.61, 0.48],
}
EMBED_TEXT_REQUEST: Final[Example] = {"prompts": ["a sad, tired voice", "bored and indifferent"]}
EMBED_TEXT_RESPONSE: Final[Example] = {
    "embeddings": [{"text": "a sad, tired voice", "embedding": [0.6, 0.8], "affect": AFFECT}],
    "dim": 2,
    "bundle": FINGERPRINT,
}
EMBED_AUDIO_RESPONSE: Final[Example] = {
    "results": [
        {"name": "first.wav", "status": "embedded", "embedding": [0.6, 0.8], "affect": AFFECT, "problem": None},
        {"name": "second.wav", "status": "failed", "embedding": None, "affect": None, "problem": PROBLEM},
    ],
    "dim": 2,
    "bundle": FINGERPRINT,
}
INFO_RESPONSE: Final[Example] = {
    "name": "EmotionRank",
    "version": "0.1.0",
    "bundle": {
        "name": "emotionrank-base",
        "version": "0.1.0",
        "licence": "CC-BY-NC-SA-4.0",
        "fingerprint": FINGERPRINT,
        "embedding_dim": 512,
        "sample_rate": 16000,
        "win_dur": 4.0,
        "hop_dur": 2.0,
        "affect_scale": [1.0, 7.0],
        "prompts": 488,
        "terms": [{"term": "anger", "affect": AFFECT}],
    },
    "library": {"clips": 200, "segments": 214, "seconds": 702.5, "hours": 0.2},
    "index": {
        "kind": "exact",
        "parameters": {},
        "reason": "every segment is compared: up to 50,000 that takes milliseconds",
        "recall": 1.0,
        "latency_ms": 0.4,
        "memory": {"mapped": 219136, "index": 0, "columns": 8560, "tail": 0},
        "made_at": "2026-11-22T12:00:00Z",
        "changes": 0,
        "tail": 0,
        "warning": None,
    },
    "limits": {
        "max_upload_bytes": 268435456,
        "max_json_bytes": 1048576,
        "max_files": 50,
        "min_duration": 0.3,
        "max_duration": 3600.0,
        "max_prompt_chars": 1000,
        "max_prompts": 256,
        "max_parts": 16,
        "max_k": 1000,
    },
}
READY_RESPONSE: Final[Example] = {"status": "ready", "milliseconds": 6.2, "seconds_ago": 1.3}
