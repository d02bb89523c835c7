"""Who did what on Twilio and to settings, roles and consent: one row an act, never changed."""
