"""Live streams of a company's events to whoever watches it."""
