"""Writing contacts."""

from ringfence.features.contacts.actions.contacts import (
    change_contact,
    create_contact,
    delete_contact,
    note_export,
    restore_contact,
    set_tags,
)
from ringfence.features.contacts.actions.merging import merge_contacts

__all__ = [
    "change_contact",
    "create_contact",
    "delete_contact",
    "merge_contacts",
    "note_export",
    "restore_contact",
    "set_tags",
]
