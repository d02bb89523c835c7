"""Form bodies of the REST API: repeated keys are arrays, names are case-sensitive, blank values count."""

from urllib.parse import parse_qsl


class Form:
    """Parsed parameters of one request."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            self._values.setdefault(name, []).append(value)

    @classmethod
    def parse(cls, body: bytes) -> "Form":
        """Read an application/x-www-form-urlencoded body. Bytes that are not UTF-8 become replacement characters."""
        text = body.decode("utf-8", errors="replace")
        return cls(parse_qsl(text, keep_blank_values=True, errors="replace"))

    def get(self, name: str) -> str:
        """The last value given, or an empty string."""
        values = self._values.get(name)
        return values[-1] if values else ""

    def has(self, name: str) -> bool:
        """Whether the parameter was given at all, even blank."""
        return name in self._values

    def all(self, name: str) -> list[str]:
        """Every value given that is not blank."""
        return [value for value in self._values.get(name, ()) if value]
