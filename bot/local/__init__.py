"""A local Slack and a local Tyk, for a laptop without either. They speak the public protocols and know none of the bot."""
