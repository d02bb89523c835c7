"""What a file is, by its first bytes: never by what its sender calls it.

Only types that Twilio takes for texts are known (https://www.twilio.com/docs/messaging/guides/accepted-mime-types), and
none that a browser would run: no HTML, no SVG, no archive.
"""

from typing import BinaryIO, Final

ENDINGS: Final = {
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/gif": ".gif",
    "audio/mpeg": ".mp3",
    "audio/mp4": ".m4a",
    "audio/amr": ".amr",
    "audio/ogg": ".ogg",
    "audio/vnd.wave": ".wav",
    "video/mp4": ".mp4",
    "video/3gpp": ".3gp",
    "video/quicktime": ".mov",
    "application/pdf": ".pdf",
    "text/vcard": ".vcf",
}
"""Every type that is known, and what its files' names end with."""

_HEAD_BYTES: Final = 64
_LARGEST_CARD: Final = 1 << 20
_STARTS: Final = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"#!AMR\n", "audio/amr"),
    (b"OggS", "audio/ogg"),
    (b"ID3", "audio/mpeg"),
)
# Brands of ISO base media files (ISO/IEC 14496-12) by their first letters.
_BRANDS: Final = (
    (b"M4A", "audio/mp4"),
    (b"3gp", "video/3gpp"),
    (b"qt  ", "video/quicktime"),
    (b"isom", "video/mp4"),
    (b"iso2", "video/mp4"),
    (b"iso4", "video/mp4"),
    (b"iso5", "video/mp4"),
    (b"iso6", "video/mp4"),
    (b"mp41", "video/mp4"),
    (b"mp42", "video/mp4"),
    (b"avc1", "video/mp4"),
    (b"M4V", "video/mp4"),
    (b"MSNV", "video/mp4"),
)


def sniff(file: BinaryIO) -> str | None:
    """The media type of a file, None if it is none of the known ones. Reads from its beginning."""
    file.seek(0)
    head = file.read(_HEAD_BYTES)
    for start, kind in _STARTS:
        if head.startswith(start):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return "audio/vnd.wave"
    if head[4:8] == b"ftyp":
        return next((kind for brand, kind in _BRANDS if head[8:12].startswith(brand)), None)
    if _is_mpeg_audio(head):
        return "audio/mpeg"
    if head.removeprefix(b"\xef\xbb\xbf")[:11].upper() == b"BEGIN:VCARD":
        file.seek(0)
        return "text/vcard" if _is_card(file.read(_LARGEST_CARD + 1)) else None
    return None


def _is_mpeg_audio(head: bytes) -> bool:
    """Whether an MPEG-1 or MPEG-2 layer III frame begins here, with a bit rate and a sampling rate that exist."""
    return (
        len(head) > 3
        and head[0] == 0xFF
        and head[1] in {0xFA, 0xFB, 0xF2, 0xF3}
        and head[2] >> 4 not in {0x0, 0xF}
        and head[2] & 0x0C != 0x0C
    )


def _is_card(content: bytes) -> bool:
    """Whether the whole file is text that ends as a card does."""
    if len(content) > _LARGEST_CARD or b"\x00" in content:
        return False
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return content.rstrip().upper().endswith(b"END:VCARD")
