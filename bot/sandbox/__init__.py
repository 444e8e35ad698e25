"""The sandbox's verbs: the production bot, as a process of its own, between a local Slack and a local Tyk."""
