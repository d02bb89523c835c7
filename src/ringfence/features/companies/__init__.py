"""The tenants: their names, states and settings."""
