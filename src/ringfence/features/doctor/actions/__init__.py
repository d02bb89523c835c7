"""Examining a company, and asking Twilio for it."""
