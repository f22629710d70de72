"""The prose of config/contract/README.md: what the centre's developer needs beside the schemas.

Not here: what is true of each topic (documents.py passes it in). Pure; runs when the contract is written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

TEXT = """# What a camera gateway tells the centre

Written by `scripts/contract` from the types in `gateway/wire`; a test says that it is current.

| file | what |
|---|---|
| `asyncapi.json` | AsyncAPI 3.0: every topic with its quality of service, retention and payload |
| `schemas/*.json` | JSON Schema (draft 2020-12) of each payload; of a picture, of its label |
| `dictionary.bin` | the preset dictionary with which events are deflated; it never changes within `citycam/v1` |

Unknown fields are to be ignored: they may be added within version 1. Fields never change their meaning within it.

## Topics

All of them stand below `citycam/v1/{area}/{gateway}/`. Subscribe to `citycam/v1/+/+/up/#` with a persistent session.

| topic | QoS | retained | schema | |
|---|---|---|---|---|
%s

## Is a gateway there?

`up/status` is `online`, `stopped` (in an orderly way) or `offline` (the broker says so when the link breaks). An
`offline` whose `session` is not that of the last `online` came late: ignore it. A heartbeat comes every 30 s, a tenth
earlier or later; it goes out with QoS 0, so one that is missing says little, and four say that the link is gone.

## Inflate

An event is JSON when its first byte is `{`. When it is 0x78 it is a zlib stream (RFC 1950) with a preset dictionary:
inflate it with `dictionary.bin`. In C `inflateSetDictionary`, in Java `Inflater.setDictionary`, in Go
`zlib.NewReaderDict`, in Node.js `inflateSync(payload, { dictionary })`. Inflate to at most 1 MiB.
To look at it, `gateway listen mqtt://BROKER`, or `mosquitto_sub ... -F '%%t %%x' | gateway decode`.
Everything else is plain JSON, and pictures are plain JPEG. A picture's numbers stand as JSON in its first comment
segment (bytes 0xFF 0xFE behind the start marker, two bytes of length, text), which every viewer skips.

## Order, repeat, gap

Each event and each picture has a number (`sequence`, in a picture `seq`) that is unique and rises by one within
(gateway, `epoch`, `lane`). Within a lane messages are sent in the order of their numbers; the lanes `alarm`, `event`
and `media` overtake one another. An epoch is born with the gateway's store and begins at 1: a new one means that the
store was lost or replaced, and its numbers say nothing of the old one's. What could be saved of the old one still
comes under its own epoch and numbers; once all of that is found, `former` in `up/gap` says what will not come.

- Repeat: a number that was seen. It happens, as delivery is at least once. The `id` is repeated with it.
- Gap: a number was skipped. Look into the retained `up/gap`: ranges that stand there will never come, unless you have
  them already: what arrived does not become undone by it. What does not stand there is still on its way. The reasons:
  `evicted`: the store was full, or the broker refused it for good; `expired`: too old, or no longer there when you
  asked; `void`: after a power cut or a crash the gateway cannot say which of these numbers it had given. They are of
  three kinds: never used (nearly all of them); delivered before it was written to the card, so that you have it; and,
  of the lanes `event` and `media`, made in the last two seconds before the cut and lost with it. Of the lane `alarm`
  one can be lost only in the instant before its commit. You tell the second kind from the others by looking: a number
  that you have was never lost. If you join late, begin each lane with the first number that you see.
- Very many gaps: of each lane the newest 256 ranges stand in `up/gap`. When there are more, `partial` says below which
  number the list is not complete: what you miss there, ask for with `down/ack`. The next `up/gap` holds the answers,
  beside the newest, up to 256 of a lane; ask for what is still missing until nothing is.
- Silence without a gap, with `up/status` `online` and `up/camera/{camera}` `ok`: nothing happened at that corner. A
  camera that is `off` sees nothing, and says so there. While `up/status` is not `online`, the other retained topics say
  what was so last. After a crash the broker says `offline` some 20 s later.

All phases of an episode carry the same `correlationid`, which also names its picture's topic; an `end` says everything
that the phases before it said, so a `start` that was lost does no harm. Use `data.mono` with `data.boot` for order and
durations within a gateway. `time` is right when `data.synced` is true; otherwise it can be corrected once `up/clock`
holds an offset for that boot: time = offset + mono.

An `end` names the best picture of its episode, which may have come with an update before it.

## Commands

Publish to `down/cmd/{name}`, not retained, with QoS 1, and wait for the answer on `up/reply/{id}`:

```
{"id": "0f3a9c21-0000-4000-8000-000000000001", "not_after": 1795478400, "args": {"camera": "cam0"}, "by": "anna"}
```

`not_after` of that example is past. To see a gateway answer, from a shell, with your area and gateway:

```
ID=$(cat /proc/sys/kernel/random/uuid) UNTIL=$(($(date +%%s) + 60))
mosquitto_pub -V 5 -q 1 -t citycam/v1/AREA/GATEWAY/down/cmd/ping -m '{"id": "'$ID'", "not_after": '$UNTIL'}'
```

| name | args | answer (`status` is done, failed or refused) |
|---|---|---|
| `ping` | | done |
| `snapshot` | `camera` | done, the picture is at `result.topic`; refused `mask`, `moved` or `view`: none may leave |
| `confirm-view` | `camera` | done: a person says that masks and zones fit what the camera sees now |
| `rebirth` | | done, and every retained topic is said anew |
| `restart` | | done, then the gateway ends and its service manager starts it again |
| `selftest` | | done with `result.checks`, within 90 s |
| `logs` | | done with `result.lines`, the latest |

`args.camera` is the first camera where it is absent. `id` is any UUID; the answer bears it in lower case, and without
one there is none. A message of more than 1 MiB never reaches a gateway (with MQTT 5).
Refused with `code`: `retained`, `repeated` (each id is carried out once; what was refused may be sent again), `stale`
(`not_after`, in unix seconds, is past or more than a day ahead; a gateway whose clock is not synchronised cannot judge
that and carries the command out, but the broker keeps commands for it for a minute at most), `unknown`, `malformed`,
`rate` (five at once, twelve a minute). Of refused commands 20 at once and 60 a minute are answered.
Failed with `no-camera`, `camera-off`, `timeout` or `busy`.

Say what you have on `down/ack`, retained, as often as you like: `{"epoch": "...", "lanes": {"event": {"upto": 17,
"missing": [[3, 5]]}}}`. What is missing is sent again, or stands in `up/gap`. Of `missing` the first 256 ranges of a
lane are taken, of `epoch` only the present one. What cannot be read is told in `up/health`, `ack-unreadable` among
`problems` and why under `link.ack_refused`, until something comes that can.

With `delivery.confirm = "centre"` an alarm stays in the gateway's store until `upto` covers it, and is sent again after
each connect until then. A broker that dies takes with it what it had acknowledged and not yet handed on (mosquitto even
with persistence, unless it writes after each message): numbers that you miss after that, and that stand in no gap, come
again when you ask, for 24 hours; pictures do not, they are answered with a gap.

## How fast a city comes back

A gateway makes its first connection within `first_connect_spread_s` after its start and comes back within
`reconnect_spread_s` after a loss: 90 and 120 s, which keeps ten thousand of them below 200 connects in any second. For
more gateways, or a smaller broker, set more on `down/config`, retained, for each gateway:

```
{"v": 1, "broker": {"first_connect_spread_s": 300, "reconnect_spread_s": 600}}
```

It is in force at once, survives a restart, and stands in `up/config` under `broker`. What cannot be used changes
nothing and is answered there under `refused`. `{"broker": {}}`, retained, takes it back. An empty message does that,
too, but reaches only gateways that are connected: for one that is away the broker has nothing to keep.

## All of it in thirty lines

```python
%s```

## An event

The end of a car's episode, inflated:

```json
%s
```
"""

EXAMPLE = '''import json, pathlib, zlib

DICTIONARY = pathlib.Path("dictionary.bin").read_bytes()
newest, missing = {}, {}  # by gateway, epoch and lane


def receive(topic, payload):
    """Return what a message says, or None when it was seen before."""
    gateway, channel = topic.split("/")[3], topic.split("/")[5]
    if payload[:2] == b"\\xff\\xd8":
        payload = payload[6 : 4 + int.from_bytes(payload[4:6], "big")]  # the label; keep the picture as it came
    elif payload[:1] == b"\\x78":
        payload = zlib.decompressobj(zdict=DICTIONARY).decompress(payload, 1 << 20)
    said = json.loads(payload)
    if channel == "gap":
        for epoch in (said, *said.get("former", [])):
            for name, causes in epoch["lanes"].items():
                gaps = missing.setdefault((gateway, epoch["epoch"], name), set())
                for first, last in (each for ranges in causes.values() for each in ranges):
                    gaps.difference_update([number for number in gaps if first <= number <= last])
    if channel not in ("event", "media", "reply"):
        return said
    lane, number = (gateway, said["epoch"], said["lane"]), int(said.get("sequence") or said["seq"])
    gaps, last = missing.setdefault(lane, set()), newest.get(lane, 0)
    if number <= last and number not in gaps:
        return None
    gaps.update(range(last + 1, number))
    gaps.discard(number)
    newest[lane] = max(last, number)
    return said
'''


def guide(topics: Iterable[tuple[str, int, bool, str, str]], event: str) -> str:
    """Return the guide as Markdown.

    Args:
        topics: address below the root, QoS, retained, schema's name, summary.
        event: an event as indented JSON.
    """
    rows = [
        f"| `{address}` | {qos} | {'yes' if retain else 'no'} | [{schema}](schemas/{schema}.json) | {summary} |"
        for address, qos, retain, schema, summary in topics
    ]
    return TEXT % ("\n".join(rows), EXAMPLE, event)
