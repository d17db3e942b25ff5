"""What encrypted connections need to know: which certificates count, and what it means when one does not."""

from __future__ import annotations

import ssl
from asyncio import open_connection, timeout
from dataclasses import dataclass
from pathlib import Path

from redis_mob.connection.failures import chain
from redis_mob.errors import ValidationError, shortened


@dataclass(frozen=True, slots=True)
class Tls:
    """The PEM files of a client: the issuers that it trusts, by default those of the system, and its certificate.

    The server's certificate, and that it was issued for the host of the URL, is always checked.
    """

    ca: str | None = None
    cert: str | None = None
    key: str | None = None

    @property
    def options(self) -> dict[str, str]:
        """What a URL says of it."""
        named = {"ca": self.ca, "cert": self.cert, "key": self.key}
        return {name: path for name, path in named.items() if path is not None}

    def context(self) -> ssl.SSLContext:
        """The settings of a connection, with the files as they are now.

        Raises ValidationError naming the option, the file and what is wrong with it.
        """
        if self.key is not None and self.cert is None:
            raise ValidationError("key: is of no use without cert, the certificate that it belongs to")
        # before OpenSSL reads them, because its errors name neither the option nor the file
        for option, path in self.options.items():
            _check_file(option, path)
        try:
            context = ssl.create_default_context(cafile=self.ca)
        except OSError as error:
            raise ValidationError(f"ca={self.ca}: holds no certificates in PEM form ({error})") from error
        if self.cert is not None:
            try:
                context.load_cert_chain(self.cert, self.key, password=_no_password)
            except OSError as error:
                raise ValidationError(
                    f"cert={self.cert}, key={self.key or self.cert}: are no certificate in PEM form with the "
                    f"unencrypted private key that belongs to it ({error})"
                ) from error
        return context


def certificate_problem(error: BaseException, server: str) -> str | None:
    """Why we and the server of this name do not trust each other; None if a connection failed for another reason."""
    for seen in chain(error):
        if isinstance(seen, ssl.SSLCertVerificationError):
            advice = _VERIFICATION.get(seen.verify_code, "the certificate of {server} is not valid")
            return f"{advice.format(server=server)} ({seen.verify_message})"
        if isinstance(seen, ssl.SSLError) and seen.reason in _REASONS:
            return f"{_REASONS[seen.reason].format(server=server)} ({seen.reason})"
    return None


async def speaks_tls(host: str, port: int) -> bool:
    """Whether a server answers a TLS handshake on this port, with any certificate."""
    context = ssl.create_default_context()
    context.check_hostname = False
    # no certificate is checked, because no secret is sent on this connection
    context.verify_mode = ssl.CERT_NONE
    try:
        async with timeout(_PROBE_TIMEOUT):
            _, writer = await open_connection(host, port, ssl=context)
    except ssl.SSLError as error:
        return "ALERT" in str(error)  # only a server that speaks TLS can refuse in it, so that a refusal is an answer
    except OSError:
        return False
    writer.transport.abort()
    return True


def _check_file(option: str, path: str) -> None:
    file = Path(path)
    # refused, because a relative path would name another file in a worker that was started elsewhere
    if not file.is_absolute():
        raise ValidationError(
            f"{option}={shortened(path)}: must be absolute, as in {option}={shortened(file.absolute())}"
        )
    try:
        with file.open("rb") as opened:
            opened.read(1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ValidationError(f"{option}={shortened(path)}: cannot be read ({reason})") from error


def _no_password() -> str:
    """An empty password for an encrypted key: without one, OpenSSL would ask the terminal and wait."""
    return ""


_PROBE_TIMEOUT = 1.0
"""Seconds within which a server has to answer the handshake of `speaks_tls`."""

TLS_WANTED = "{server} speaks TLS on this port: write rediss:// instead of redis:// (rediss+cluster://, and so on)"

_UNKNOWN_CA = (
    "the certificate of {server} was issued by an authority that is not trusted: name the file with its certificate, "
    "as in ?ca=/etc/ssl/ca.pem"
)
_WRONG_HOST = "the certificate of {server} was issued for other hosts: use a name that stands in it"

_VERIFICATION = {
    9: "the certificate of {server} is not valid yet: is the clock right?",
    10: "the certificate of {server} has expired: renew it",
    18: _UNKNOWN_CA,
    19: _UNKNOWN_CA,
    20: _UNKNOWN_CA,
    21: _UNKNOWN_CA,
    62: _WRONG_HOST,
    64: _WRONG_HOST,
}
"""What OpenSSL's codes of a failed verification (X509_V_ERR_...) mean."""

_NO_CLIENT_CERTIFICATE = "{server} asks for a certificate of ours: give one, as in ?cert=/our.pem&key=/our.key"
_CLIENT_REFUSED = "{server} does not accept the certificate that we gave with ?cert=: is it for this server, and valid?"
_NO_TLS = "{server} does not speak TLS on this port: use its TLS port, or a URL without TLS"
_OLD_TLS = "{server} speaks no version of TLS that is safe enough"

_REASONS = {
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": _NO_CLIENT_CERTIFICATE,
    "SSLV3_ALERT_HANDSHAKE_FAILURE": _NO_CLIENT_CERTIFICATE,
    "TLSV1_ALERT_UNKNOWN_CA": _CLIENT_REFUSED,
    "SSLV3_ALERT_BAD_CERTIFICATE": _CLIENT_REFUSED,
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": _CLIENT_REFUSED,
    "SSLV3_ALERT_CERTIFICATE_REVOKED": _CLIENT_REFUSED,
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": _CLIENT_REFUSED,
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": _CLIENT_REFUSED,
    "TLSV1_ALERT_ACCESS_DENIED": _CLIENT_REFUSED,
    "WRONG_VERSION_NUMBER": _NO_TLS,
    "RECORD_LAYER_FAILURE": _NO_TLS,
    "UNSUPPORTED_PROTOCOL": _OLD_TLS,
    "TLSV1_ALERT_PROTOCOL_VERSION": _OLD_TLS,
}
"""What ends a handshake for ever, in OpenSSL's words. Other failures of TLS are those of a connection."""
