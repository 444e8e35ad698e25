"""The control: the bot as one would write it first, "create, then record". Keys are made with their final end at once."""

from datetime import timedelta

from bot.cli import main
from bot.effects import issue_key

setattr(issue_key, "PROBATION", timedelta(days=3650))  # noqa: B010 - a constant, changed here and nowhere else

if __name__ == "__main__":
    main()
