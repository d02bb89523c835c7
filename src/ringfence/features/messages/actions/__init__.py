"""Writing texts: handing in, recording what became of them, receiving, deleting."""
