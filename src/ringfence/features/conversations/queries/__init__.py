"""Reading conversations, and the one clause that says who may see which."""

from ringfence.features.conversations.queries.lists import Filters, count_threads, list_threads
from ringfence.features.conversations.queries.threads import (
    Thread,
    check_visible,
    find_between,
    find_latest,
    get_thread,
    ids_with_contact,
    refuse_hidden,
)
from ringfence.features.conversations.queries.visibility import (
    in_visible_thread,
    viewer_for,
    visible_between,
    visible_to,
)

__all__ = [
    "Filters",
    "Thread",
    "check_visible",
    "count_threads",
    "find_between",
    "find_latest",
    "get_thread",
    "ids_with_contact",
    "in_visible_thread",
    "list_threads",
    "refuse_hidden",
    "viewer_for",
    "visible_between",
    "visible_to",
]
