"""Bringing texts, calls and numbers to what Twilio has: on request, and by a standing sweep that mends."""
