"""The device itself: health, identity, heartbeat, the service manager. Runs in the daemon."""
