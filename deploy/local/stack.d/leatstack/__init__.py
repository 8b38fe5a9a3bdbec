"""The local stack: every server that leat talks to, on one machine, without containers."""
