"""Bytes or text in, unit vectors and affect out.

The ground floor: decoding, windows, the bundle format and the ONNX Runtime sessions. It imports nothing else
of this project. Import from the modules (`encoders.encoder`, `encoders.audio`, ...): this package imports
none of them itself, so that naming an error or reading a bundle stays cheap.
"""
