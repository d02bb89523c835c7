"""Giving events their places for those who watch."""
