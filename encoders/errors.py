"""Every error a user can cause, as one tree of exceptions.

`str(error)` is the whole message for people: it names the input, the cause and what to do. `error.code` is
the stable name for programs; the HTTP service turns it into a problem type. `InputError` is the caller's
input (that one input fails, the rest may go on); everything else under `EmotionRankError` is the set-up
(a bundle, a library).
"""

# The names follow the working vocabulary ("AudioTooLong"); the suffix would add nothing.
# ruff: noqa: N818

from typing import ClassVar


class EmotionRankError(Exception):
    """The root: anything that can go wrong without being a fault of this program."""

    code: ClassVar[str] = "error"


class InputError(EmotionRankError):
    """The caller's input is at fault."""

    code: ClassVar[str] = "input-invalid"


class AudioError(InputError):
    """An audio input cannot be used."""

    code: ClassVar[str] = "audio-error"


class AudioNotFound(AudioError):
    """The path is not there, is not a file, or may not be read."""

    code: ClassVar[str] = "audio-not-found"


class AudioEmpty(AudioError):
    """The input has no bytes at all."""

    code: ClassVar[str] = "audio-empty"


class AudioUnreadable(AudioError):
    """The bytes are no media file that can be read here, or decoding them fails."""

    code: ClassVar[str] = "audio-unreadable"


class AudioNoTrack(AudioError):
    """The file is a media file, but has no sound track."""

    code: ClassVar[str] = "audio-no-track"


class AudioTruncated(AudioError):
    """The file ends well before its own header says that it does."""

    code: ClassVar[str] = "audio-truncated"


class AudioTooShort(AudioError):
    """There is less sound than the shortest clip that is accepted."""

    code: ClassVar[str] = "audio-too-short"


class AudioTooLong(AudioError):
    """There is more sound than the longest clip that is accepted."""

    code: ClassVar[str] = "audio-too-long"


class AudioSilent(AudioError):
    """Nothing can be heard."""

    code: ClassVar[str] = "audio-silent"


class AudioInvalid(AudioError):
    """Some samples are not numbers (NaN) or are infinite."""

    code: ClassVar[str] = "audio-invalid"


class PromptError(InputError):
    """A prompt is empty or too long."""

    code: ClassVar[str] = "prompt-invalid"


class OutputError(EmotionRankError):
    """A result cannot be written where it was asked for."""

    code: ClassVar[str] = "output-error"


class BundleError(EmotionRankError):
    """A bundle cannot be used."""

    code: ClassVar[str] = "bundle-error"


class BundleNotFound(BundleError):
    """There is no bundle at the path."""

    code: ClassVar[str] = "bundle-not-found"


class BundleInvalid(BundleError):
    """A bundle is incomplete, damaged, or of a format that this version does not read."""

    code: ClassVar[str] = "bundle-invalid"
