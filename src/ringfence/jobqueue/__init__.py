"""procrastinate behind one small face: enqueue in the caller's transaction, scoped handlers."""
