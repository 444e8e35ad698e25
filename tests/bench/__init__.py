"""How fast the bot is: `python -m tests.bench` measures it beside the shortest script for the same job. No test measures time."""
