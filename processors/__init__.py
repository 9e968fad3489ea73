"""Our own processors: one short module each."""
