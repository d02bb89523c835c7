"""Failures of the bulk room. Codes are stable."""
