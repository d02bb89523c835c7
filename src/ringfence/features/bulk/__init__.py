"""Bulk sends: recipient lists, rehearsal, and runs."""
