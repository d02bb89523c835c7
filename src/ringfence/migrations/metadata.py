"""Imports every model, so that the metadata is whole: for migrations, the self-check and the drift test."""

from sqlalchemy import MetaData

from ringfence.db.base import Base
from ringfence.dispatch import model as dispatch
from ringfence.features.audit_log import model as audit_log
from ringfence.features.bulk import model as bulk
from ringfence.features.calls import model as calls
from ringfence.features.companies import model as companies
from ringfence.features.consent import model as consent
from ringfence.features.contacts import model as contacts
from ringfence.features.conversations import model as conversations
from ringfence.features.events import model as events
from ringfence.features.inbox import model as inbox
from ringfence.features.messages import model as messages
from ringfence.features.notices import model as notices
from ringfence.features.outgoing_webhooks import model as outgoing_webhooks
from ringfence.features.phone_numbers import model as phone_numbers
from ringfence.features.platform import model as platform
from ringfence.features.scheduling import model as scheduling
from ringfence.features.sync import model as sync
from ringfence.features.templates import model as templates
from ringfence.features.twilio_settings import model as twilio_settings
from ringfence.features.users import model as users

MODELS = (
    audit_log,
    companies,
    users,
    twilio_settings,
    phone_numbers,
    contacts,
    consent,
    templates,
    conversations,
    inbox,
    messages,
    calls,
    scheduling,
    bulk,
    sync,
    outgoing_webhooks,
    notices,
    platform,
    events,
    dispatch,
)


def metadata() -> MetaData:
    """The metadata of all tables."""
    return Base.metadata
