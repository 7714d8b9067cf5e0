"""How true a bundle's ranking is on a labelled corpus, measured through the very encoders that serve."""

from model_export.evaluation.clips import AXES, MINIMUM, Embedded, embed, from_file, judged
from model_export.evaluation.gap import modality_gap
from model_export.evaluation.graded import GRADED, TOP, graded_scores
from model_export.evaluation.measures import ccc, interval, tau
from model_export.evaluation.readout import affect_scores
from model_export.evaluation.suite import Settings, evaluate

__all__ = [
    "AXES",
    "GRADED",
    "MINIMUM",
    "TOP",
    "Embedded",
    "Settings",
    "affect_scores",
    "ccc",
    "embed",
    "evaluate",
    "from_file",
    "graded_scores",
    "interval",
    "judged",
    "modality_gap",
    "tau",
]
