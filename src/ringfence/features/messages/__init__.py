"""Texts, in and out: the permanent record, its media and its timeline."""
