"""The only room that knows how Twilio speaks: client, signatures, error table."""
