"""What the archive answers to each address. Handlers are plain functions of a `Call`, run in threads."""
