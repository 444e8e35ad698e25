"""The stories that `sandbox --play` plays, told by five people."""
