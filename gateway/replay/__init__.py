"""A recording instead of a street: `gateway replay`, the page of its `--report DIR`, and the score of what was found.

replay.py sends a recording through the eye's own pipeline. Of that `report` makes a page: `story` gathers, `film` draws
pictures, `chart`, `cards`, `timeline` and `page` write text. `score` compares episodes with the simulated corner's
truth; the demo scores with it, too. No process of a device loads anything here. One thread does all.
"""
