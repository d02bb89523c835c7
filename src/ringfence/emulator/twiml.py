"""The messaging part of TwiML: what an application answers to an inbound text.

Rules: https://www.twilio.com/docs/messaging/twiml and the webhook answers of the messaging guides.
"""

from dataclasses import dataclass, field
from xml.parsers import expat

MAX_BYTES = 64 * 1024
MAX_REPLIES = 10
_XML_TYPES = frozenset({"text/xml", "application/xml", "text/html"})


class TwimlError(Exception):
    """An answer that Twilio cannot use; `code` is the number its debugger shows."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(slots=True)
class Reply:
    """One text to send back. Empty `to` and `sender` mean: to whom it came from, from whom it went to."""

    body: str = ""
    media_urls: list[str] = field(default_factory=list[str])
    to: str = ""
    sender: str = ""
    status_callback: str = ""


@dataclass(slots=True)
class Instructions:
    """What the application asked for: replies to send, then perhaps another address to ask."""

    replies: list[Reply] = field(default_factory=list[Reply])
    redirect: str | None = None
    redirect_method: str = "POST"


def read_answer(content_type: str | None, body: bytes) -> Instructions:
    """The instructions in an answer. Plain text is a reply; XML is TwiML; an empty body asks for nothing.

    Raises TwimlError 11750 (too long), 12300 (no or another content type), 12100 (not XML), 14109 (too many
    replies).
    """
    if not body.strip():
        return Instructions()
    if len(body) > MAX_BYTES:
        raise TwimlError(11750, "the answer is longer than 64 kB")
    kind = (content_type or "").partition(";")[0].strip().lower()
    if kind == "text/plain":
        return Instructions(replies=[Reply(body=body.decode("utf-8", errors="replace").strip())])
    if kind not in _XML_TYPES:
        raise TwimlError(12300, "the answer has no content type that can be used")
    instructions = _Reader().read(body)
    if len(instructions.replies) > MAX_REPLIES:
        raise TwimlError(14109, "more than 10 replies")
    return instructions


class _Reader:
    def __init__(self) -> None:
        self._found = Instructions()
        self._path: list[str] = []
        self._text: list[str] = []
        self._message: Reply | None = None

    def read(self, body: bytes) -> Instructions:
        parser = expat.ParserCreate()
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text.append
        parser.StartDoctypeDeclHandler = self._doctype
        try:
            parser.Parse(body, True)
        except expat.ExpatError as error:
            raise TwimlError(12100, f"not XML: {error}") from None
        return self._found

    def _doctype(self, *_: object) -> None:
        # No TwiML needs one, and declared entities can grow without bound.
        raise TwimlError(12100, "a document type is not allowed")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if not self._path and name != "Response":
            raise TwimlError(12100, "the root element must be Response")
        self._path.append(name)
        if self._path == ["Response", "Message"]:
            self._message = Reply(
                to=attributes.get("to", ""),
                sender=attributes.get("from", ""),
                status_callback=attributes.get("statusCallback", ""),
            )
        if self._path == ["Response", "Redirect"]:
            self._found.redirect_method = attributes.get("method", "POST").upper()
        self._text.clear()

    def _end(self, name: str) -> None:
        text = "".join(self._text).strip()
        self._text.clear()
        self._path.pop()
        if name == "Redirect" and self._path == ["Response"]:
            self._found.redirect = text
        if self._message is None:
            return
        if name == "Body":
            self._message.body = text
        elif name == "Media":
            self._message.media_urls.append(text)
        elif name == "Message":
            self._message.body = self._message.body or text
            if self._message.body or self._message.media_urls:
                self._found.replies.append(self._message)
            self._message = None
