"""Door: builds the ASGI application."""
