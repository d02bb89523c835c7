"""What Twilio is told to do with a call: https://www.twilio.com/docs/voice/twiml."""

import re
from html import escape
from typing import Final

DEFAULT_GREETING: Final = "Nobody can take your call right now. Please leave a message after the tone."
LONGEST_GREETING: Final = 1000
LONGEST_VOICEMAIL_SECONDS: Final = 180
LONGEST_CALL_SECONDS: Final = 4 * 3600

# What XML 1.0 cannot hold, however it is written.
_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def say(text: str) -> str:
    """Read a text aloud."""
    return f"<Say>{escape(_NOT_XML.sub(' ', text))}</Say>"


HANG_UP: Final = "<Hangup/>"


def dial(
    number: str,
    *,
    action: str,
    status_callback: str,
    ring_seconds: int,
    caller_id: str | None,
    recording_callback: str | None,
) -> str:
    """Ring another telephone and connect it; with `recording_callback` both sides are recorded.

    Without `caller_id` the telephone shows who is calling. The caller hears it ring until somebody answers.
    """
    attributes = {
        "answerOnBridge": "true",
        "timeout": str(ring_seconds),
        "timeLimit": str(LONGEST_CALL_SECONDS),
        "action": action,
        **({"callerId": caller_id} if caller_id else {}),
    }
    if recording_callback is not None:
        attributes |= {"record": "record-from-answer-dual", "recordingStatusCallback": recording_callback}
    noun = {"statusCallback": status_callback, "statusCallbackEvent": "initiated ringing answered completed"}
    return f"<Dial{_written(attributes)}><Number{_written(noun)}>{escape(number)}</Number></Dial>"


def record(*, action: str, recording_callback: str) -> str:
    """Take a message after a tone."""
    attributes = {
        "action": action,
        "maxLength": str(LONGEST_VOICEMAIL_SECONDS),
        "playBeep": "true",
        "recordingStatusCallback": recording_callback,
    }
    return f"<Record{_written(attributes)}/>"


def document(*verbs: str) -> bytes:
    """A whole answer."""
    return f'<?xml version="1.0" encoding="UTF-8"?><Response>{"".join(verbs)}</Response>'.encode()


def _written(attributes: dict[str, str]) -> str:
    return "".join(f' {name}="{escape(value)}"' for name, value in attributes.items())
