"""Host certificates: what ssh takes is taken, and what it refuses is refused in words."""

from __future__ import annotations

import socket
import subprocess
import time
from pathlib import Path

import paramiko
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from real_parts import MakeSshd, SshHome
from ssh_hosts import MakeHost, name_over

from cosmos_core.errors import TargetUnusable
from cosmos_core.targets.ssh import known, trust
from cosmos_core.targets.ssh.certificate import certificate_of
from cosmos_core.targets.ssh.config import Hop

ALGORITHMS = ("ssh-ed25519", "rsa-sha2-512")


def new_key(place: Path, *kind: str) -> str:
    """The public half, as it stands in a known_hosts file."""
    words = ("ssh-keygen", "-q", "-N", "", "-f", str(place), "-t", *(kind or ("ed25519",)))
    subprocess.run(words, check=True)
    return " ".join(place.with_suffix(".pub").read_text(encoding="ascii").split()[:2])


def certified(authority: Path, key: Path, *options: str) -> paramiko.PKey:
    """The host's key as it is shown with a certificate."""
    words = ("ssh-keygen", "-q", "-s", str(authority), "-I", "host", *options, f"{key}.pub")
    subprocess.run(words, check=True)
    return as_shown(paramiko.PublicBlob.from_file(f"{key}-cert.pub").key_blob)


def as_shown(blob: bytes) -> paramiko.PKey:
    kinds = paramiko.Transport._key_info  # as paramiko reads what a host shows
    kind = paramiko.Message(blob).get_text().replace("ssh-rsa", "rsa-sha2-512")
    key: paramiko.PKey = kinds[kind](paramiko.Message(blob))
    return key


@pytest.fixture
def hop(tmp_path: Path) -> Hop:
    """A machine at port 2222."""
    return Hop(
        name="lab",
        hostname="lab.example.org",
        port=2222,
        user="ada",
        known_as="[lab.example.org]:2222",
        user_known_hosts=(tmp_path / "known_hosts",),
        family=socket.AF_INET,
    )


# each was tried with OpenSSH 9.2's own client
@pytest.mark.parametrize(
    ("pattern", "options", "more", "trouble"),
    [
        ("[lab.example.org]:*", ("-h", "-n", "lab.example.org"), "", ""),
        ("*.example.org", ("-h", "-n", "other,lab.example.org"), "", ""),  # without the port
        ("*", ("-h",), "", ""),  # for all names
        ("*", ("-h", "-n", "lab.example.org", "-V", "-1d:+1d"), "", ""),
        ("[lab.example.org]:2222", ("-h", "-n", "other"), "", "it is for other, and not for lab.example.org"),
        ("*", ("-h", "-n", "*.example.org"), "", "it is for *.example.org, and not"),
        ("*", ("-h", "-n", "[lab.example.org]:2222"), "", "and not for lab.example.org"),
        ("*", ("-n", "lab.example.org"), "", "it is a user's"),
        ("*", ("-h", "-V", "20200101:20200201"), "", "it expired on 2020-0"),
        ("*", ("-h", "-V", "20900101:20910101"), "", "it is valid from 2"),
        ("*", ("-h", "-O", "critical:only-on=sundays"), "", "conditions that are not known"),
        ("*.example.com", ("-h",), "", "is not known"),
        ("*", ("-h",), "@revoked * {authority}", "the authority behind the host key of"),
        ("*", ("-h",), "@revoked * {key}", "the host key of"),
        ("*", ("-h", "-n", "other"), "[lab.example.org]:2222 {key}", ""),  # known by itself
        ("*", ("-h",), "[lab.example.org]:2222 {other}", ""),  # vouched for, whatever else is known
        ("*", ("-h", "-n", "other"), "[lab.example.org]:2222 {other}", "has changed"),
    ],
)
def test_what_ssh_takes(
    hop: Hop, tmp_path: Path, pattern: str, options: tuple[str, ...], more: str, trouble: str
) -> None:
    names = {name: new_key(tmp_path / name) for name in ("authority", "key", "other")}
    key = certified(tmp_path / "authority", tmp_path / "key", *options)
    lines = (f"@cert-authority {pattern} {names['authority']}", more.format(**names))
    hop.user_known_hosts[0].write_text("\n".join(lines) + "\n", encoding="ascii")
    if not trouble:
        known.check(hop, key)
        return
    with pytest.raises(TargetUnusable) as caught:
        known.check(hop, key)
    assert trouble in caught.value.message


@pytest.mark.parametrize("kind", [("ed25519",), ("ecdsa",), ("rsa", "-b", "2048")])
def test_kinds_of_keys(hop: Hop, tmp_path: Path, kind: tuple[str, ...]) -> None:
    authority = new_key(tmp_path / "authority", *kind)
    new_key(tmp_path / "key", *kind)
    hop.user_known_hosts[0].write_text(f"@cert-authority * {authority}\n", encoding="ascii")
    known.check(hop, certified(tmp_path / "authority", tmp_path / "key", "-h"))
    if kind[0] == "rsa":  # a signature by SHA-1 is none
        with pytest.raises(TargetUnusable, match="signature is wrong, or of a kind"):
            known.check(hop, certified(tmp_path / "authority", tmp_path / "key", "-h", "-t", "ssh-rsa"))


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A certificate that is good for everything."""
    folder = tmp_path_factory.mktemp("certificate")
    new_key(folder / "authority")
    new_key(folder / "key")
    key = certified(folder / "authority", folder / "key", "-h", "-n", "lab")
    assert key.public_blob
    return key.public_blob.key_blob


@given(bit=st.integers(0, 315 * 8 - 1))
@example(bit=1802)  # of the length of the signature
def test_not_a_bit_may_be_another(sound: bytes, bit: int) -> None:
    before = certificate_of(as_shown(sound))
    assert before is not None
    assert before.trouble("lab", time.time()) == ""
    changed = bytearray(sound)
    changed[bit // 8 % len(sound)] ^= 1 << bit % 8
    try:
        after = certificate_of(as_shown(bytes(changed)))
    except (paramiko.SSHException, ValueError, KeyError):
        return
    assert after is None or after.trouble("lab", time.time()) or after.authority != before.authority


def test_certificates_are_asked_for_where_an_authority_is_known(hop: Hop, tmp_path: Path) -> None:
    file = hop.user_known_hosts[0]
    rsa = new_key(tmp_path / "rsa", "rsa")
    file.write_text(f"[lab.example.org]:2222 {rsa}\n", encoding="ascii")
    assert known.algorithms(hop, ALGORITHMS) == ("rsa-sha2-512", "ssh-ed25519")
    file.write_text(f"@cert-authority *.example.org {rsa}\n", encoding="ascii")
    certificates = tuple(f"{name}-cert-v01@openssh.com" for name in ALGORITHMS)
    assert known.algorithms(hop, ALGORITHMS) == (*certificates, *ALGORITHMS)


def test_a_host_that_an_authority_vouches_for(
    host: MakeHost, ssh_home: SshHome, sshd: MakeSshd, tmp_path: Path
) -> None:
    authority = new_key(tmp_path / "authority")
    server = sshd()
    ssh_home.lead_to(server, known=False)
    ssh_home.known_hosts.write_text(f"@cert-authority [127.0.0.1]:* {authority}\n", encoding="ascii")
    with pytest.raises(
        TargetUnusable, match=r"known_hosts, line 1, does not vouch for it: the host shows no cert"
    ) as no:
        host().run(["true"])
    assert "cosmos targets trust" in no.value.hint
    certified(tmp_path / "authority", server.folder / "host_key", "-h", "-n", "127.0.0.1")
    settings = server.folder / "config"
    more = f"HostCertificate {server.folder}/host_key-cert.pub\n"
    settings.write_text(more + settings.read_text(encoding="utf-8"), encoding="utf-8")
    server.stop()
    server.start()
    assert name_over(host())
    offered = trust.offered_key("ada", 5)
    assert offered.known
    assert offered.words == f"vouched for by the authority in {ssh_home.known_hosts}, line 1"
