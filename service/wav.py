"""Sound as the bytes of a WAV file."""

import io
import wave

import numpy as np
import numpy.typing as npt


def wav(samples: npt.NDArray[np.floating], rate: int) -> bytes:
    """Return mono sound, -1..1 (beyond is cut off), as a WAV file of 16 bits at `rate` Hz."""
    pcm = np.round(np.clip(samples, -1, 1) * 32767).astype("<i2")
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(pcm.tobytes())
    return file.getvalue()
