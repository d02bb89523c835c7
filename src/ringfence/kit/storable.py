"""Text from elsewhere, made so that PostgreSQL can keep it."""


def storable(text: str) -> str:
    """The text without NUL, and with a sign in the place of each lone surrogate."""
    return text.replace("\x00", "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
