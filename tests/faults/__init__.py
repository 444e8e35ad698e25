"""What goes wrong outside of the bot: Slack's troubles, the database's, and secrets that look for a way out."""
