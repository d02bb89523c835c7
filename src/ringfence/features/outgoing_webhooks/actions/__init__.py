"""Writing endpoints and deliveries.

Locks are taken in one order everywhere: endpoint, its deliveries, the company's line in `webhook_due`. Endpoints are
locked without their key, so that a new delivery, which refers to one, waits for nobody.
"""
