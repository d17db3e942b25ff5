"""Certificates for servers and clients on this machine, and servers that use them."""

from __future__ import annotations

import tempfile
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from redis.crc import REDIS_CLUSTER_HASH_SLOTS

from redis_mob.testing.servers.node import HOST, Node, started, wait_for
from tests.support.servers import redis7_program


@dataclass(frozen=True)
class Certificate:
    """The files of a certificate and its private key."""

    cert: Path
    key: Path


class Authority:
    """Issues certificates, which stand in a directory, and whom to trust for them in `ca`."""

    def __init__(self, directory: Path, name: str) -> None:
        self._directory = directory / name
        self._directory.mkdir()
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = ec.generate_private_key(ec.SECP256R1())
        may_sign = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        own = self._sign(self._name, self._key.public_key(), x509.BasicConstraints(True, None), may_sign, days=365)
        self.ca = self._directory / "ca.pem"
        self.ca.write_bytes(own.public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str, *, days: int = 365, password: str | None = None) -> Certificate:
        """A certificate for HOST valid for so many days from yesterday on; with a password its key is locked."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(HOST))])
        certificate = self._sign(subject, key.public_key(), x509.BasicConstraints(False, None), names, days=days)
        issued = Certificate(self._directory / f"{name}.pem", self._directory / f"{name}.key")
        encryption = (
            serialization.NoEncryption()
            if password is None
            else serialization.BestAvailableEncryption(password.encode())
        )
        pem = serialization.Encoding.PEM
        issued.cert.write_bytes(certificate.public_bytes(pem))
        issued.key.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, encryption))
        return issued

    def _sign(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePublicKey,
        *extensions: x509.ExtensionType,
        days: int,
    ) -> x509.Certificate:
        begin = datetime.now(UTC) - timedelta(days=1)
        builder = x509.CertificateBuilder(
            self._name, subject, key, x509.random_serial_number(), begin, begin + timedelta(days=days)
        )
        own = self._key.public_key()
        for extension in (
            *extensions,
            x509.SubjectKeyIdentifier.from_public_key(key),
            x509.AuthorityKeyIdentifier.from_issuer_public_key(own),
        ):
            builder = builder.add_extension(
                extension, critical=isinstance(extension, x509.BasicConstraints | x509.KeyUsage)
            )
        return builder.sign(self._key, hashes.SHA256())


def options(**files: Path | str) -> str:
    """The options of a URL that name these files."""
    return f"?{urlencode(files, safe='/')}"


@dataclass(frozen=True)
class Encryption:
    """What servers need to speak TLS alone; with `client` they ask for a certificate, of which this is one."""

    authority: Authority
    certificate: Certificate
    client: Certificate | None = None

    @property
    def ca(self) -> Path:
        """The certificate of the authority that clients are to trust."""
        return self.authority.ca

    def settings(self, port: int) -> tuple[str, ...]:
        """How a server is told so, and to listen on this port."""
        files = {
            "cert-file": self.certificate.cert,
            "key-file": self.certificate.key,
            "ca-cert-file": self.authority.ca,
        }
        everywhere = ("--tls-replication", "yes", "--tls-cluster", "yes", "--port", "0", "--tls-port", str(port))
        clients = ("--tls-auth-clients", "yes" if self.client else "no")
        return (*everywhere, *clients, *(part for name, path in files.items() for part in (f"--tls-{name}", str(path))))

    @property
    def driver(self) -> dict[str, Any]:
        """How the driver connects to such a server, without a check of its certificate."""
        proof = {"ssl_certfile": str(self.client.cert), "ssl_keyfile": str(self.client.key)} if self.client else {}
        return {"ssl": True, "ssl_cert_reqs": "none", "ssl_check_hostname": False, **proof}


@contextmanager
def run_tls_server(encryption: Encryption, *settings: str) -> Generator[Node]:
    """A server that speaks TLS alone, until the block ends."""
    with _running(encryption, 1, *settings) as (node,):
        yield node


@contextmanager
def run_tls_cluster(encryption: Encryption) -> Generator[list[Node]]:
    """A Redis Cluster of two nodes that speak TLS alone, until the block ends; ready when this yields."""
    with _running(encryption, 2, "--cluster-enabled", "yes") as nodes:
        one, two = nodes
        half = REDIS_CLUSTER_HASH_SLOTS // 2
        one.do("CLUSTER", "ADDSLOTSRANGE", 0, half - 1)
        two.do("CLUSTER", "ADDSLOTSRANGE", half, REDIS_CLUSTER_HASH_SLOTS - 1)
        two.do("CLUSTER", "SET-CONFIG-EPOCH", 2)
        two.do("CLUSTER", "MEET", HOST, one.port)
        wait_for(
            lambda: all(b"cluster_state:ok" in node.do("CLUSTER", "INFO") for node in nodes), "the Cluster is not ready"
        )
        yield nodes


@contextmanager
def _running(encryption: Encryption, count: int, *settings: str) -> Generator[list[Node]]:
    program = redis7_program()
    with ExitStack() as stack:
        nodes: list[Node] = []
        for _ in range(count):
            directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="redis-mob-test-"))
            command = [str(program), "--bind", HOST, "--dir", directory, "--save", "", *settings]
            nodes.append(started(partial(_node, command, encryption)))
            stack.callback(nodes[-1].kill)
        yield nodes


def _node(command: list[str], encryption: Encryption, port: int) -> Node:
    return Node(port, [*command, *encryption.settings(port)], **encryption.driver)
