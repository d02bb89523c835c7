"""Door: the ringfence command."""
