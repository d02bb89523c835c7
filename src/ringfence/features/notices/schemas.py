"""Bodies and answers of notices."""

from datetime import datetime
from uuid import UUID

from pydantic import Field

from ringfence.features.notices.values import About, Mails
from ringfence.web.schemas import Answer, Body


class NoticeAnswer(Answer):
    """A notice. `subject_id` is the thread, endpoint, bulk send or settings it is about; `count` how often it came."""

    id: UUID
    kind: str
    subject_id: UUID
    conversation_id: UUID | None
    message_id: UUID | None
    count: int
    created_at: datetime
    updated_at: datetime
    read_at: datetime | None


class PreferencesAnswer(Answer):
    """What a person wants to be told."""

    browser: bool
    email: Mails
    about: About


class PreferencesWrite(Body):
    """The same, to be put in place as a whole."""

    browser: bool = Field(description="Notices in the browser.")
    email: Mails = Field(description="`at_once` mails within minutes, `digest` at 8:00 by the company's clock.")
    about: About = Field(description="Replies in one's own conversations; those and nobody's; or all that one may see.")
