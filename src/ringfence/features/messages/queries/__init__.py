"""Reading texts: lists and single ones, what the gate asks, what a webhook finds."""
