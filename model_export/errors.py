"""What can go wrong in training and export, beyond the errors of `encoders`.

EmotionRankError
  TrainingError         "training-failed"     the run cannot start or go on (settings, data, disk)
    StoppedError        "training-stopped"    Ctrl-C or SIGTERM; the run can go on
    CorpusError         "corpus-invalid"      a corpus folder or a manifest is not what it should be
    BackboneError       "backbone-invalid"    a pretrained encoder is missing or unreadable
    ExportError         "export-failed"       an exported graph does not agree with torch
    CalibrationError    "calibration-failed"  validation clips cannot tell how to calibrate
  MissingExtraError     "extra-missing"       a library of the extra `train` is not installed
"""

from typing import ClassVar

from encoders.errors import EmotionRankError


class TrainingError(EmotionRankError):
    """A run that cannot start or go on."""

    code: ClassVar[str] = "training-failed"


class StoppedError(TrainingError):
    """A run that somebody stopped; it can go on."""

    code: ClassVar[str] = "training-stopped"


class CorpusError(TrainingError):
    """A corpus folder or manifest that is not what it should be."""

    code: ClassVar[str] = "corpus-invalid"


class BackboneError(TrainingError):
    """A pretrained encoder that is missing or unreadable."""

    code: ClassVar[str] = "backbone-invalid"


class MissingExtraError(EmotionRankError):
    """A library of the extra `train` that is not installed."""

    code: ClassVar[str] = "extra-missing"


class ExportError(TrainingError):
    """An exported graph that does not agree with the torch modules it came from."""

    code: ClassVar[str] = "export-failed"


class CalibrationError(TrainingError):
    """Validation clips that cannot tell how to calibrate the affect read-out."""

    code: ClassVar[str] = "calibration-failed"
