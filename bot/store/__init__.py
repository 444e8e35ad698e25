"""The database: all that must not be lost."""
