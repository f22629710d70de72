"""The preset dictionary (RFC 1950, FDICT) with which events are deflated; it belongs to the contract's version 1.

Changing one byte breaks every centre: a new dictionary is a new version of the topic tree. What is most common
stands last, as zlib finds near matches with shorter codes. Pure data.
"""

DICTIONARY = (
    b'"phase":"update","kind":"stationary","view","health","storm","covered","defocused","moved","frozen","off",'
    b'"severitytext":"critical","severitytext":"high","severitytext":"medium","severitytext":"informational",'
    b'"purpose":"hydrant"},"purpose":"fire-lane"},"purpose":"bus-lane"},"purpose":"no-stopping"},'
    b'"purpose":"footway"},"purpose":"lamp"},"purpose":"manhole"},"purpose":"works"},"purpose":"carriageway"},'
    b'"code":"camera-off","message":"","hint":"","state":"ok","since":'
    b'"lane":"alarm","sequence":"00000000'
    b'{"specversion":"1.0","type":"citycam.stationary.v1","type":"citycam.view.start.v1",'
    b'{"specversion":"1.0","type":"citycam.motion.update.v1","source":"urn:citycam:'
    b'{"specversion":"1.0","type":"citycam.motion.start.v1","source":"urn:citycam:area:gw-:cam1","id":"019'
    b'{"specversion":"1.0","type":"citycam.motion.end.v1","source":"urn:citycam:area:gw-:cam0","id":"019'
    b'","correlationid":"019","time":"2026-11-23T00:00:00.000Z","epoch":"","lane":"event","sequence":"000000000'
    b'","severitytext":"low","subject":"zone/all","expirytime":"2026-11-23T01:00:00.000Z",'
    b'"data":{"phase":"start","started":0.0,"duration":0.0,"outcome":"stationary","outcome":"left",'
    b'"zones":[{"id":"all","purpose":"general"}],"box":[0.,0.,0.,0.0],"path":[[0.0,0.,0.,0.,0.],[0.,0.],'
    b'"speed":0.0,"score":0.,"picture":{"sha256":"","bytes":,"w":,"h":},"picture":null,"mask":"",'
    b'"simulated":true,"boot":"","synced":false,"mono":0.0}}"simulated":false,"boot":"","synced":true,"mono":'
)
