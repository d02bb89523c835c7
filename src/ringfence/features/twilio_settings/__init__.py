"""A company's connection to its Twilio account."""
