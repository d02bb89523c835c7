"""What the doors share: databases, keys and services built from the settings, and the checks before a start."""
