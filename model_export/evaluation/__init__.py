"""How true a bundle's ranking is on a labelled corpus, measured through the very encoders that serve."""

from model_export.evaluation.clips import AXES, Embedded, embed, from_file, judged
from model_export.evaluation.measures import ccc, interval, tau
from model_export.evaluation.suite import GRADED, affect_scores, evaluate, modality_gap

__all__ = [
    "AXES",
    "GRADED",
    "Embedded",
    "affect_scores",
    "ccc",
    "embed",
    "evaluate",
    "from_file",
    "interval",
    "judged",
    "modality_gap",
    "tau",
]
