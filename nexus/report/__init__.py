"""Pages for people: the registry with its evidence."""
