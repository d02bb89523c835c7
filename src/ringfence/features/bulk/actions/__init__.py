"""Writing what the bulk room keeps."""
