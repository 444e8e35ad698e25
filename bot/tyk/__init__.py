"""Tyk: its Dashboard API, and what its keys, APIs and policies mean to the bot."""
