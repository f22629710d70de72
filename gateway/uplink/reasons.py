"""Why the broker cannot be reached or refuses: told apart, each with what to do next.

Reason codes are MQTT 5's (section 2.4); paho gives 3.1.1's few in the same words. Pure.
"""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from typing import Literal

ACCEPTED = 0x00
NO_SUBSCRIBER = 0x10
NOT_AUTHORISED = 0x87
TAKEN_OVER = 0x8E
PACKET_TOO_LARGE = 0x95

REFUSED_FOR_GOOD = {
    0x90: "the broker does not allow this topic",
    PACKET_TOO_LARGE: "larger than the broker takes",
    0x99: "the broker does not take this payload",
}

Verdict = Literal["accepted", "unheard", "forbidden", "refused", "later"]


def verdict(code: int) -> Verdict:
    """Return what an acknowledgement's reason code means for the message."""
    if code == NO_SUBSCRIBER:
        return "unheard"
    if code < 0x80:
        return "accepted"
    if code == NOT_AUTHORISED:
        return "forbidden"
    return "refused" if code in REFUSED_FOR_GOOD else "later"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why there is no connection."""

    code: str
    """Stable, for rules and tests."""
    text: str
    hint: str


IT_PASSES = "it should pass; when it lasts, ask the broker's administrator"
A_COPY = "look for a second device with a copy of this card; each needs its own identity"

_PORT = "is the port that of an MQTT broker, and broker.url mqtt:// or mqtts:// as the port wants it?"

_CONNECT = {
    0x81: ("protocol", "the broker could not read our connect packet", "is the port that of an MQTT broker?"),
    0x84: ("protocol", "the broker does not speak this version of MQTT", 'set broker.protocol = "3.1.1"'),
    0x85: ("client-id", "the broker does not accept our client id", "it must be the certificate's common name"),
    0x86: ("credentials", "bad user name or password", "check user name and password with the broker's administrator"),
    0x87: ("forbidden", "not authorised", "check this gateway's user name, password and rights at the broker"),
    0x88: ("unavailable", "the broker says that it is unavailable", IT_PASSES),
    0x89: ("busy", "the broker says that it is busy", IT_PASSES),
    0x8A: ("banned", "the broker has banned this gateway", "ask the broker's administrator"),
    0x8B: ("shutting-down", "the broker is shutting down", IT_PASSES),
    0x8D: ("keepalive", "the broker did not hear from us in time", "the link is slow or lossy"),
    TAKEN_OVER: (
        "taken-over",
        "another device connected with our client id",
        A_COPY,
    ),
    0x93: ("window", "we sent more than the broker had asked for", "report this: it is a fault of the gateway"),
    PACKET_TOO_LARGE: ("too-large", "the broker found a packet too large", "raise its largest packet to 64 KiB"),
    0x97: ("quota", "a quota at the broker is used up", "ask the broker's administrator"),
    0x9C: ("moved", "the broker says: use another server", "correct the broker's address"),
    0x9D: ("moved", "the broker has moved", "correct the broker's address"),
    0x9F: ("rate", "the broker limits the rate of connections", IT_PASSES),
}

_CERTIFICATE = {
    9: ("clock-or-cert", "the broker's certificate is not yet valid", "is this device's clock right?"),
    10: (
        "cert-expired",
        "the broker's certificate has expired",
        "renew it at the broker; is this device's clock right?",
    ),
    62: ("cert-name", "the broker's certificate is for another name", "write the host as it stands in the certificate"),
    64: (
        "cert-name",
        "the broker's certificate is for another address",
        "write the host as it stands in the certificate",
    ),
}


def of_code(code: int, name: str) -> Reason:
    """Return the reason behind a CONNACK or DISCONNECT code."""
    if code in _CONNECT:
        return Reason(*_CONNECT[code])
    return Reason(
        "lost", f"the connection was lost ({name})", "when it comes again, look at the network: cable, signal"
    )


def of_silent_close(*, welcome: bool) -> Reason:
    """Return the reason when the broker closed the connection and did not say why.

    Args:
        welcome: it had taken us in; otherwise it may be no broker at all.
    """
    if welcome:
        return Reason("closed", "the broker closed the connection", "when it comes again, look at the broker's log")
    return Reason("lost", "the broker closed the connection before it answered", _PORT)


def of_babble() -> Reason:
    """Return the reason when what answers speaks something else: it may be a web page, a shell, or TLS."""
    return Reason("protocol", "what answers there does not speak MQTT", _PORT)


def of_repeated_close(times: int) -> Reason:
    """Return the reason when it did so again and again: mosquitto 2.0 does so where a client id is taken over."""
    text = f"the broker closed {times} connections in a row without a word: another device probably has our client id"
    return Reason("probably-taken-over", text, A_COPY)


def of_error(error: Exception, host: str, port: int) -> Reason:
    """Return the reason behind an error while connecting."""
    where = f"{host}:{port}"
    if isinstance(error, ssl.SSLError):
        return _of_tls_error(error, where)
    if isinstance(error, (socket.gaierror, UnicodeError)):
        return Reason("dns", f"the name {host} cannot be resolved", "check the broker's name, and the network's DNS")
    if isinstance(error, ConnectionRefusedError):
        return Reason("refused", f"nothing listens on {where}", "check that the broker runs, its port and the firewall")
    if isinstance(error, ConnectionResetError | BrokenPipeError):  # somebody is there
        return Reason("lost", f"{where} broke off while the connection was made", _PORT)
    if isinstance(error, TimeoutError):
        return Reason("timeout", f"{where} did not answer in time", "check the network and the firewall")
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return Reason("network", f"{where}: {text}", "check the cable, the modem and the address")


def _of_tls_error(error: ssl.SSLError, where: str) -> Reason:
    if isinstance(error, ssl.SSLCertVerificationError):
        known = _CERTIFICATE.get(error.verify_code)
        if known:
            return Reason(*known)
        return Reason(
            "cert-untrusted",
            f"the broker's certificate is not trusted: {error.verify_message}",
            "set broker.ca_file to the certificate of the broker's authority",
        )
    return of_alert(str(error)) or Reason("tls", f"TLS with {where} failed: {error}", "is that the port for TLS?")


def of_silent_tls(*, with_certificate: bool) -> Reason:
    """Return the reason when the broker ended TLS without an alert before it answered; mosquitto does so."""
    if with_certificate:
        text = "the broker ended TLS without a word: it probably does not accept our certificate"
        return Reason("our-cert-refused", text, "check that it is valid and issued by the broker's authority")
    text = "the broker ended TLS without a word: it probably wants a client certificate"
    return Reason("our-cert-missing", text, "set broker.cert_file and broker.key_file")


def of_alert(text: str) -> Reason | None:
    """Return the reason behind a TLS alert that the broker sent, found in the text of an error; None: there is none."""
    upper = text.upper().replace(" ", "_")
    if "ALERT" not in upper:
        return None
    if "EXPIRED" in upper:
        return Reason(
            "our-cert-expired", "the broker says that our certificate has expired", "renew this gateway's certificate"
        )
    if "CERTIFICATE_REQUIRED" in upper or "HANDSHAKE_FAILURE" in upper:
        return Reason(
            "our-cert-missing", "the broker wants a client certificate", "set broker.cert_file and broker.key_file"
        )
    if "UNKNOWN_CA" in upper or "CERTIFICATE" in upper:
        return Reason(
            "our-cert-refused", "the broker does not accept our certificate", "have it issued by the broker's authority"
        )
    return None
