"""Training: a configuration and manifests to a run with its best checkpoint."""

from model_export.training.checkpoint import load
from model_export.training.config import Config
from model_export.training.loop import train

__all__ = ["Config", "load", "train"]
