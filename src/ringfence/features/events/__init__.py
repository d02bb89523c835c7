"""Live events: what changed for a company, in an order that a reader can resume from."""
