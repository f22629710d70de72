"""The daemon (`gateway run`): takes what the eyes say, hands it to store and link, reports, and does what it is told.

    start.py        starts the eyes (cameras.py), then the rest
    daemon.py       supervises; waking.py says what wakes it
    intake.py       drafts become messages; budget.py says what a day may cost
    reporting.py    what the device says of itself; condition.py how it is, camera_reports.py each camera
    inbox.py        what the centre says; orders.py carries out its commands, wishes.py reads what it sets
    answers.py      what the control socket is told

All on the daemon's main thread, which waits for nothing longer than a second: no card, no network. Not here: store and
link (uplink), what keeps eyes and link alive (recovery), what outlives a restart (memory). Imports neither NumPy nor
OpenCV.
"""
