"""The sound of a recording: a soft tone as WAV, silence as MP3. Made when asked for, never stored."""

import math
import struct
from functools import lru_cache

RATE = 8000
MAX_SECONDS = 120
_TONE_HERTZ = 440
_LOUDNESS = 6000

# One silent frame of MPEG-1 layer III, 128 kbit/s, 44.1 kHz, mono: header, then no data (ISO/IEC 11172-3).
_MP3_FRAME = bytes.fromhex("fffb90c4") + bytes(413)
_MP3_FRAMES_PER_SECOND = 44100 / 1152


@lru_cache(maxsize=8)
def wav(seconds: int, channels: int) -> bytes:
    """A RIFF file of 16-bit PCM at 8 kHz; at most two minutes of it."""
    second = [round(_LOUDNESS * math.sin(2 * math.pi * _TONE_HERTZ * index / RATE)) for index in range(RATE)]
    frames = b"".join(struct.pack("<h", sample) * channels for sample in second) * min(seconds, MAX_SECONDS)
    header = struct.pack("<HHIIHH", 1, channels, RATE, RATE * channels * 2, channels * 2, 16)
    body = b"WAVEfmt " + struct.pack("<I", len(header)) + header + b"data" + struct.pack("<I", len(frames)) + frames
    return b"RIFF" + struct.pack("<I", len(body)) + body


@lru_cache(maxsize=8)
def mp3(seconds: int) -> bytes:
    """Silent MPEG frames; at most two minutes of them."""
    return _MP3_FRAME * max(1, math.ceil(min(seconds, MAX_SECONDS) * _MP3_FRAMES_PER_SECOND))
