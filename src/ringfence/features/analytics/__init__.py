"""How much a company texts, what becomes of it, what it costs, and how fast people answer."""
