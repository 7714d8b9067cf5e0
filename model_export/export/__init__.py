"""Towers to a bundle: two ONNX files that agree with torch, stored as small as the ranking allows.

bundles.py             a checkpoint's towers as a sealed bundle, whole or not at all
onnx_graph.py          a tower as an ONNX file, held to what torch computes
onnx_shrink.py         matrices as int8, the word table as float16
storage.py             which of the two is kept: the one that ranks the same
example_speech.py      the clips that this is tried on
calibration.py         the affect of sound on the plane as the labels use it, and its interval
term_shares.py         the shares of emotion terms, calibrated
validation_speech.py   the clips that a calibration may be fitted on
model_card.py          the stub of the card
"""

from model_export.export.bundles import export

__all__ = ["export"]
