"""The inbox above texts and calls: notes, timelines, search, and the end of what was deleted."""
