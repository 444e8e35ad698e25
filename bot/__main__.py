"""`python -m bot` is `tyk-key-bot`."""

from bot.cli import main

main()
