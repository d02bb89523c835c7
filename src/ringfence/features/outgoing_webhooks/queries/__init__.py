"""Reading endpoints, deliveries and what they tell of."""
