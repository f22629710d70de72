"""What keeps a corner going by itself: eyes, link and device, and what is tried next when one of them fails.

ladder.py says which step is due; eyes.py climbs it for a camera (eye_process.py its process, known.py what that has
said), linkage.py for the link, reboot.py is the last step of both; launch.py starts a program without waiting for it.
All on the daemon's main thread, but for the thread `launch`. Not here: the link itself (uplink), the eye (eye).
"""
