"""Reading what the bulk room keeps."""
