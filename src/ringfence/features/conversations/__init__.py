"""Threads: one company number, one outside number."""
