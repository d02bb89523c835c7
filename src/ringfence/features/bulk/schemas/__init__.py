"""Bodies and answers of the bulk room."""
