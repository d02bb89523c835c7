"""Outgoing webhooks: events of a company are told to addresses that its admins chose, signed, until they have them."""
