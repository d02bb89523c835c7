"""Requests to addresses that companies choose: only where the operator lets them go, and with nothing followed."""
