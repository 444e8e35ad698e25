"""tyk-key-bot: self-service Tyk tokens in Slack."""
