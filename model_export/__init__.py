"""Training: corpora, captions, losses, towers, evaluation and the export to a bundle (needs the extra `train`)."""

# Before anything here imports onnxruntime: `encoders` sets its telemetry opt-out.
import encoders as encoders
