"""The eye: the process of one camera, from its frames to drafts on the daemon's socket (`gateway eye`).

eye.py is the process, source.py its camera, pipeline.py the way of a frame (also of a recording's), outlet.py the queue
before the socket. Threads `watch` and `still`. Not here: the stages themselves (camera, motion, events), and how the
daemon keeps an eye alive (recovery/eyes.py). Imports neither paho nor sqlite3 nor pydantic.
"""
