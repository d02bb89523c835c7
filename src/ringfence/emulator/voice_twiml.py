"""The voice part of TwiML: what an application answers about a call.

Rules: https://www.twilio.com/docs/voice/twiml.
"""

from dataclasses import dataclass, field
from xml.parsers import expat

from ringfence.emulator.twiml import MAX_BYTES, TwimlError

_XML_TYPES = frozenset({"text/xml", "application/xml", "text/html"})


@dataclass(slots=True)
class Verb:
    """One element: name, attributes, its own text and the elements inside it."""

    name: str
    attributes: dict[str, str] = field(default_factory=dict[str, str])
    text: str = ""
    children: list["Verb"] = field(default_factory=list["Verb"])

    def get(self, name: str, default: str = "") -> str:
        """An attribute."""
        return self.attributes.get(name, default)

    def seconds(self, name: str, default: float) -> float:
        """An attribute that is a number of seconds; anything else means the default."""
        text = self.attributes.get(name, "")
        return float(text) if text.isascii() and text.isdigit() else default

    def flag(self, name: str) -> bool:
        """An attribute that is `true`."""
        return self.attributes.get(name, "").lower() == "true"


def read_voice(content_type: str | None, body: bytes) -> list[Verb]:
    """The verbs of an answer, in order. Plain text is read aloud, sound is played, an empty body says nothing.

    Raises TwimlError 11750 (too long), 12300 (no or another content type), 12100 (not XML).
    """
    if not body.strip():
        return []
    if len(body) > MAX_BYTES:
        raise TwimlError(11750, "the answer is longer than 64 kB")
    kind = (content_type or "").partition(";")[0].strip().lower()
    if kind == "text/plain":
        return [Verb("Say", text=body.decode("utf-8", errors="replace").strip())]
    if kind.startswith("audio/"):
        return [Verb("Play")]
    if kind not in _XML_TYPES:
        raise TwimlError(12300, "the answer has no content type that can be used")
    return read_document(body)


def read_document(body: bytes) -> list[Verb]:
    """The verbs of a TwiML document. Raises TwimlError 12100 if it is not one."""
    return _Reader().read(body)


class _Reader:
    def __init__(self) -> None:
        self._root: Verb | None = None
        self._open: list[Verb] = []

    def read(self, body: bytes) -> list[Verb]:
        parser = expat.ParserCreate()
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.StartDoctypeDeclHandler = self._doctype
        try:
            parser.Parse(body, True)
        except expat.ExpatError as error:
            raise TwimlError(12100, f"not XML: {error}") from None
        if self._root is None or self._root.name != "Response":
            raise TwimlError(12100, "the root element must be Response")
        return self._root.children

    def _doctype(self, *_: object) -> None:
        # No TwiML needs one, and declared entities can grow without bound.
        raise TwimlError(12100, "a document type is not allowed")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        verb = Verb(name, attributes)
        if self._open:
            self._open[-1].children.append(verb)
        else:
            self._root = verb
        self._open.append(verb)

    def _characters(self, text: str) -> None:
        self._open[-1].text += text

    def _end(self, _: str) -> None:
        verb = self._open.pop()
        verb.text = verb.text.strip()
