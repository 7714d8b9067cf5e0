"""Errors have stable codes, and say whose fault it is."""

from collections.abc import Iterator

import encoders.errors
from encoders.errors import (
    AudioError,
    BundleError,
    BundleInvalid,
    BundleNotFound,
    EmotionRankError,
    InputError,
    PromptError,
)


def _below(cls: type[EmotionRankError]) -> Iterator[type[EmotionRankError]]:
    for child in cls.__subclasses__():
        if child.__module__ == encoders.errors.__name__:
            yield child
            yield from _below(child)


def test_every_error_has_a_code_of_its_own() -> None:
    errors: list[type[EmotionRankError]] = [EmotionRankError, *_below(EmotionRankError)]
    codes = [error.code for error in errors]
    assert len(set(codes)) == len(codes)


def test_codes_of_audio_errors_do_not_change() -> None:
    assert {error.code for error in _below(AudioError)} == {
        "audio-not-found",
        "audio-empty",
        "audio-unreadable",
        "audio-no-track",
        "audio-truncated",
        "audio-too-short",
        "audio-too-long",
        "audio-silent",
        "audio-invalid",
    }


def test_codes_of_prompts_and_bundles_do_not_change() -> None:
    assert PromptError.code == "prompt-invalid"
    assert BundleNotFound.code == "bundle-not-found"
    assert BundleInvalid.code == "bundle-invalid"


def test_audio_and_prompts_are_the_callers_input_and_bundles_are_not() -> None:
    assert issubclass(AudioError, InputError)
    assert issubclass(PromptError, InputError)
    assert not issubclass(BundleError, InputError)
