"""Tables of the bulk room."""

from ringfence.features.bulk.model import lists

__all__ = ("lists",)
