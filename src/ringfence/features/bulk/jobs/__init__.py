"""Background work of the bulk room."""
