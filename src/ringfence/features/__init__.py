"""The rooms of the product, in declared order."""
