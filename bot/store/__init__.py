"""What must not be lost, in a database."""
