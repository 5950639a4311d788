"""The demo in a browser: one page, one WebSocket a visitor, the trackers on this machine."""
