"""The image: built from the Dockerfile, started as a container would be, stopped. `python -m tests.image`."""
