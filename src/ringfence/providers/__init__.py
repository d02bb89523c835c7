"""The outside services this product talks to."""
