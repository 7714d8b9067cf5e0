"""What kind of media file some bytes are, from the bytes alone: never from a name.

Only for what comes after decoding: the suffix under which an upload is kept and the content type under which
audio is served. Whether a file can be read is the decoder's to say.
"""

from typing import Final, NamedTuple


class Container(NamedTuple):
    """A container format: the suffix of its files (without the dot) and its content type."""

    suffix: str
    media_type: str


UNKNOWN: Final = Container("bin", "application/octet-stream")
# How many bytes `sniff` looks at.
HEAD_BYTES: Final = 64

_MAGIC: Final[tuple[tuple[int, bytes, Container], ...]] = (
    (8, b"WAVE", Container("wav", "audio/wav")),
    (0, b"fLaC", Container("flac", "audio/flac")),
    (0, b"OggS", Container("ogg", "audio/ogg")),
    (0, b"ID3", Container("mp3", "audio/mpeg")),
    (4, b"ftypM4A", Container("m4a", "audio/mp4")),
    (4, b"ftypM4B", Container("m4a", "audio/mp4")),
    (4, b"ftypqt", Container("mov", "video/quicktime")),
    (4, b"ftyp3g", Container("3gp", "audio/3gpp")),
    (4, b"ftyp", Container("mp4", "audio/mp4")),
    (8, b"AIFF", Container("aiff", "audio/aiff")),
    (8, b"AIFC", Container("aiff", "audio/aiff")),
    (8, b"AVI ", Container("avi", "video/x-msvideo")),
    (0, b"caff", Container("caf", "audio/x-caf")),
    (0, b"#!AMR", Container("amr", "audio/amr")),
    (0, b"wvpk", Container("wv", "audio/x-wavpack")),
    (0, b".snd", Container("au", "audio/basic")),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", Container("wma", "audio/x-ms-wma")),
)
_EBML: Final = b"\x1aE\xdf\xa3"


def sniff(head: bytes) -> Container:
    """Name the container of a file that begins with `head` (HEAD_BYTES are enough); UNKNOWN when none fits."""
    for offset, magic, container in _MAGIC:
        if head[offset : offset + len(magic)] == magic:
            return container
    if head.startswith(_EBML):
        webm = b"webm" in head[:HEAD_BYTES]
        return Container("webm", "audio/webm") if webm else Container("mkv", "audio/x-matroska")
    # An MPEG frame begins with eleven set bits; the layer bits tell AAC in ADTS frames (00) from mp3.
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0:
        adts = head[1] & 0xF6 == 0xF0
        return Container("aac", "audio/aac") if adts else Container("mp3", "audio/mpeg")
    return UNKNOWN
