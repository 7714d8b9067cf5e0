"""Bytes or text in, unit vectors and affect out.

The ground floor: decoding, windows, the bundle format and the ONNX Runtime sessions. It imports nothing else
of this project. Import from the modules (`encoders.encoder`, `encoders.audio`, ...): this package imports
none of them itself, so that naming an error or reading a bundle stays cheap.

It does one thing: it keeps ONNX Runtime from phoning home. Since 1.29 opening a session keeps a device id under the
home folder and sends usage events; this variable, read once when onnxruntime is first imported, is the documented
opt-out. Code that imports onnxruntime by itself must import this package first.
"""

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
