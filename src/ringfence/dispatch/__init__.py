"""The send engine: lanes, pacing, leases, intents, outcomes and recovery."""
