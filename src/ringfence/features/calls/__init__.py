"""Calls: click-to-call, inbound calls and voicemail, their states and recordings."""
