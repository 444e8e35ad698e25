"""The meaning of `config.yaml`: the allowlist checked whole, the rulebook, its JSON Schema.

This is the front door. Behind it, `document` knows where things stand in the file, `values` what a value may be, `sections`
what belongs where, `validation` what fits together, `rulebook` which rules come of it. Nothing here asks Slack or Tyk:
`Config.mentions` tells what must be looked up, `Config.rulebook` takes what was found.
"""

from bot.config.loading import load, of_bytes, parse
from bot.config.positions import Complaint, ConfigError
from bot.config.rulebook import Config, Mention
from bot.config.sections import schema
from bot.config.values import Kind

__all__ = ["Complaint", "Config", "ConfigError", "Kind", "Mention", "load", "of_bytes", "parse", "schema"]
