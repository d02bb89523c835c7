"""Words of the bulk room."""
