"""What super admins do: add, suspend and enter companies, and see how each is doing without seeing what is in it."""
