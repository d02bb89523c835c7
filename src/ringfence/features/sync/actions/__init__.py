"""Running syncs and sweeps."""
