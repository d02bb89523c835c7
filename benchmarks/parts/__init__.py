"""What the scenarios are made of: each runs as a process of its own, on a core of its own."""
