"""The helper program that speaks one sentence with eSpeak NG and ends.

`service.demo.speech` runs this file by its path in a fresh interpreter for every sentence; nothing imports it.
eSpeak NG keeps its state (random seed, flutter, wave phase) in globals that even `espeak_Terminate` leaves
behind, so that no two sentences of one process ever sound the same. A new process each time gives the same
bytes for the same request, and a crash inside the C library stays here. It costs about 40 ms. Only the
standard library is used.

stdin: one JSON object: library, data (paths), voice (eSpeak name), text, rate (words a minute, 80..450),
pitch, range (0..99, 50 is the voice's own). stdout: the sample rate in ASCII, a newline, then 16-bit mono
samples in the machine's byte order. Exit code 1 with one line on stderr when eSpeak refuses.
"""

import ctypes
import json
import sys
from typing import Any

# From espeak_ng/speak_lib.h, whose values are a stable interface.
AUDIO_OUTPUT_SYNCHRONOUS = 2
INITIALIZE_DONT_EXIT = 0x8000
CHARS_UTF8 = 1
POS_CHARACTER = 1
RATE, PITCH, RANGE = 1, 3, 4
EE_OK = 0

ON_SAMPLES = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)


def speak(request: dict[str, Any]) -> tuple[int, bytes]:
    """Return the sample rate and the samples of one sentence; RuntimeError when eSpeak refuses."""
    espeak = ctypes.CDLL(request["library"])
    rate = espeak.espeak_Initialize(AUDIO_OUTPUT_SYNCHRONOUS, 0, request["data"].encode(), INITIALIZE_DONT_EXIT)
    if rate <= 0:
        raise RuntimeError(f"eSpeak NG found no voice data in {request['data']}")
    # eSpeak seeds its noise with the time of day.
    espeak.espeak_ng_SetRandSeed(ctypes.c_long(1))
    parts: list[bytes] = []

    def keep(samples: int | None, count: int, _events: int | None) -> int:
        if samples and count > 0:
            parts.append(ctypes.string_at(samples, count * 2))
        return 0

    # The name keeps the callback alive for as long as eSpeak may call it.
    callback = ON_SAMPLES(keep)
    espeak.espeak_SetSynthCallback(callback)
    if espeak.espeak_SetVoiceByName(request["voice"].encode()) != EE_OK:
        raise RuntimeError(f"eSpeak NG has no voice called {request['voice']}")
    for parameter, key in ((RATE, "rate"), (PITCH, "pitch"), (RANGE, "range")):
        espeak.espeak_SetParameter(parameter, request[key], 0)
    text = request["text"].encode()
    said = espeak.espeak_Synth(text, ctypes.c_size_t(len(text) + 1), 0, POS_CHARACTER, 0, CHARS_UTF8, None, None)
    if said != EE_OK:
        raise RuntimeError(f"eSpeak NG answered with error {said}")
    return rate, b"".join(parts)


def main() -> int:
    """Read the request, speak it, write the answer; return the exit code."""
    try:
        rate, samples = speak(json.load(sys.stdin))
    except (RuntimeError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    sys.stdout.buffer.write(b"%d\n" % rate + samples)
    return 0


if __name__ == "__main__":
    sys.exit(main())
