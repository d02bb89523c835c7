"""Uploaded files of recipients on their way in."""

from ringfence.features.contacts.actions.upload_store import UploadStore


class ListFiles(UploadStore):
    """Keeps the files of lists until they are read. A folder of its own: other rooms clear theirs by their own ids."""
