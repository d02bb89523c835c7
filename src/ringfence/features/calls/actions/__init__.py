"""Every write of the calls room."""
