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
from ringfence.features.conversations.actions.releasing import release_some
from ringfence.features.conversations.actions.texts import (
    Outgoing,
    Span,
    absorb,
    bump,
    bump_many,
    mark_all_read,
    show_last,
)

__all__ = [
    "Changed",
    "Outgoing",
    "Span",
    "absorb",
    "bump",
    "bump_many",
    "change",
    "delete_conversation",
    "empty",
    "end_snooze",
    "lock_to_purge",
    "mark_all_read",
    "mark_read",
    "mark_unread",
    "release_some",
    "restore_conversation",
    "show_last",
]
