"""How long trackers take for a frame: contestants made, timed in turns, and shown."""
