"""People and keys: log-in, sessions, roles, invitations, API keys, and the platform's own users."""
