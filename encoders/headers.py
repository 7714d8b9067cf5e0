"""What a media file's own header says about its length, where the decoder does not tell.

libavformat clips a WAV header's promise to the bytes that are there, gives a guess where an MP3 file has no
length, and refuses an MP4 file whose index is missing as merely "invalid data". People need to hear that a file
was cut off or is too long, so these are read here.
All functions take a seekable binary file, read a few hundred bytes at most and leave the position anywhere.
"""

from typing import BinaryIO, Final

# Writers that cannot seek back put one of these in place of the size: arecord, sox and ffmpeg on a pipe.
_STREAMED_WAV: Final = 0x7FFF_0000
_MOST_BOXES: Final = 64


def wav_data_bytes(file: BinaryIO) -> int | None:
    """Return how many bytes of sound a WAV header promises; None for other files and for streamed WAV."""
    file.seek(0)
    head = file.read(12)
    if head[:4] != b"RIFF" or head[8:] != b"WAVE":
        return None
    for _ in range(_MOST_BOXES):
        chunk = file.read(8)
        size = int.from_bytes(chunk[4:], "little")
        if len(chunk) < 8:
            return None
        if chunk[:4] == b"data":
            return size if 0 < size < _STREAMED_WAV else None
        file.seek(size + size % 2, 1)
    return None


def mp3_has_length(file: BinaryIO) -> bool:
    """Tell whether the first MP3 frame (after an ID3 tag) is a header that counts the frames."""
    file.seek(0)
    head = file.read(10)
    if head[:3] == b"ID3" and len(head) == 10:
        size = sum(byte << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True))
        file.seek(10 + size)
    else:
        file.seek(0)
    frame = file.read(256)
    return any(mark in frame for mark in (b"Xing", b"Info", b"VBRI"))


def lacks_index(file: BinaryIO) -> bool:
    """Tell whether this is an MP4 or QuickTime file whose index (`moov`) is not there, or not whole."""
    end = file.seek(0, 2)
    place = 0
    for _ in range(_MOST_BOXES):
        file.seek(place)
        head = file.read(16)
        size, kind = int.from_bytes(head[:4], "big"), head[4:8]
        if place == 0 and kind != b"ftyp":
            return False
        if size == 1:
            size = int.from_bytes(head[8:], "big")
        place = place + size if size else end
        if kind == b"moov":
            return place > end
        if len(head) < 8 or size < 8 or place >= end:
            return True
    return False
