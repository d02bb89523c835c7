"""Saved texts with fields that are filled in for each recipient."""
