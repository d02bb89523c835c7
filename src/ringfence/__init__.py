"""Ringfence: a self-hosted, multi-tenant Twilio workspace."""

__version__ = "0.1.0"
