"""A reader that knows every byte a `probe` simulator must deliver, and says which were wrong."""
