"""The verbs of `tyk-key-bot`, each a function of its arguments and the environment that returns the exit code.

`bot.cli` has their words and options. What a verb says goes to standard output, every complaint to standard error.
"""
