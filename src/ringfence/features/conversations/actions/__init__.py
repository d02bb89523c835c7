"""Writing conversations. Texts bump them; people read, assign, snooze, close and delete them."""

from ringfence.features.conversations.actions.keeping import (
    Changed,
    change,
    delete_conversation,
    empty,
    end_snooze,
    lock_to_purge,
    mark_read,
    mark_unread,
    restore_conversation,
)
from ringfence.features.conversations.actions.texts import Span, absorb, bump, mark_all_read, show_last

__all__ = [
    "Changed",
    "Span",
    "absorb",
    "bump",
    "change",
    "delete_conversation",
    "empty",
    "end_snooze",
    "lock_to_purge",
    "mark_all_read",
    "mark_read",
    "mark_unread",
    "restore_conversation",
    "show_last",
]
