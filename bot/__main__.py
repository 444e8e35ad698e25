"""`python -m bot` is `tyk-key-bot`."""

import gc

gc.disable()  # what importing makes stays, and looking it through for garbage takes a tenth of the start

from bot.cli import main  # noqa: E402 - the import is what the line above is about

gc.enable()
main()
