"""The fence: sessions, roles, policies, statement inspector, table registry, self-check."""
