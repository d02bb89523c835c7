"""Writing scheduled texts: by people, by their time, and by the recipient's answer."""
