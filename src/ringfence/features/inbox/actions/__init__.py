"""Writing notes, and removing what is deleted for good."""
