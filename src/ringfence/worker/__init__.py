"""Door: job registry, dispatcher and process supervision."""
