"""The decisions, pure: no I/O, no clock, no randomness. What was looked up, the time and new ids come in as arguments."""
