"""`python -m tests.docs` writes what is generated of the pages: the table of every key of `config.yaml`."""

from tests.docs import CONFIGURATION
from tests.docs.keys import within

CONFIGURATION.write_text(within(CONFIGURATION.read_text()))
