"""Cameras: every way in which frames come in. `opening.open_camera` chooses by the source's name."""
