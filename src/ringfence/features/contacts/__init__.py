"""The people a company texts."""
