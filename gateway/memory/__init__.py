"""What the daemon remembers over a restart, in small files beside the store.

state.py keeps how the last run ended and what must outlive it, diary.py the latest log lines, sharpness.py a month of
each camera's. Values are made on the daemon's main thread; a thread that may wait for the card writes them. Not here:
messages (uplink), the last good configuration (configuration/loading.py).
"""
