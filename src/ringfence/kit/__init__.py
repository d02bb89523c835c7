"""Pure helpers: no I/O, no settings, no knowledge of anything above."""
