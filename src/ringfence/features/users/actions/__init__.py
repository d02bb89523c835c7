"""Every write of the users room."""

from ringfence.features.users.actions.api_keys import (
    create_api_key,
    is_use_worth_noting,
    note_api_key_use,
    revoke_api_key,
)
from ringfence.features.users.actions.invitations import (
    accept_invitation,
    invitation_invalid,
    invite,
    note_mailed,
    revoke_invitation,
)
from ringfence.features.users.actions.people import (
    change_platform_user,
    change_user,
    create_platform_user,
    create_user,
    email_taken,
    set_password,
    set_phone,
)
from ringfence.features.users.actions.resets import (
    count_reset_request,
    note_reset_mailed,
    reset_invalid,
    send_reset,
    use_reset,
)
from ringfence.features.users.actions.sessions import (
    clear_login_failures,
    close_platform_session,
    close_session,
    count_login_attempt,
    open_platform_session,
    open_session,
)

__all__ = [
    "accept_invitation",
    "change_platform_user",
    "change_user",
    "clear_login_failures",
    "close_platform_session",
    "close_session",
    "count_login_attempt",
    "count_reset_request",
    "create_api_key",
    "create_platform_user",
    "create_user",
    "email_taken",
    "invitation_invalid",
    "invite",
    "is_use_worth_noting",
    "note_api_key_use",
    "note_mailed",
    "note_reset_mailed",
    "open_platform_session",
    "open_session",
    "reset_invalid",
    "revoke_api_key",
    "revoke_invitation",
    "send_reset",
    "set_password",
    "set_phone",
    "use_reset",
]
