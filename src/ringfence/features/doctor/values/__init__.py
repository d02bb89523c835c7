"""What the doctor knows (facts), what follows from it (checks), and how it says so (findings)."""
