"""From messages to the broker: the store, the link, commands. Runs in the daemon."""
