"""Tables of the bulk room."""

from ringfence.features.bulk.model import lists, sends

__all__ = ("lists", "sends")
