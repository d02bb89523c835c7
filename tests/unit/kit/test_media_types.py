"""What a file is, by its bytes."""

from io import BytesIO

import pytest

from ringfence.kit.media_types import ENDINGS, sniff

JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(40)
CARD = b"BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Ana\r\nEND:VCARD\r\n"


def movie(brand: bytes) -> bytes:
    return b"\x00\x00\x00\x18ftyp" + brand + bytes(40)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (JPEG, "image/jpeg"),
        (b"\x89PNG\r\n\x1a\n" + bytes(30), "image/png"),
        (b"GIF89a" + bytes(30), "image/gif"),
        (b"%PDF-1.7\n", "application/pdf"),
        (b"#!AMR\n" + bytes(30), "audio/amr"),
        (b"OggS" + bytes(30), "audio/ogg"),
        (b"ID3\x04" + bytes(30), "audio/mpeg"),
        (b"\xff\xfb\x90\x64" + bytes(30), "audio/mpeg"),
        (b"RIFF\x24\x00\x00\x00WAVEfmt ", "audio/vnd.wave"),
        (movie(b"isom"), "video/mp4"),
        (movie(b"M4A "), "audio/mp4"),
        (movie(b"3gp5"), "video/3gpp"),
        (movie(b"qt  "), "video/quicktime"),
        (CARD, "text/vcard"),
        (b"\xef\xbb\xbf" + CARD.lower(), "text/vcard"),
    ],
)
def test_known_types(content: bytes, kind: str) -> None:
    assert sniff(BytesIO(content)) == kind
    assert kind in ENDINGS


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"<html><script>alert(1)</script>",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b" " + JPEG,
        b"<script>" + CARD,
        CARD + b"<script>alert(1)</script>",
        CARD.replace(b"Ana", b"\xff\xfe"),
        b"RIFF\x24\x00\x00\x00WEBPVP8 ",
        movie(b"heic"),
        b"\xff\xff\xff\xff",
        b"\xff\xfb\xf0\x00",
        b"PK\x03\x04" + bytes(30),
        b"MZ" + bytes(30),
    ],
)
def test_anything_else_is_none(content: bytes) -> None:
    assert sniff(BytesIO(content)) is None
