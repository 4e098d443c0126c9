"""A listening socket: starting, refusing to start, stopping, TLS."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from cairnfs.errors import BadRequest, Conflict, Unavailable, Unreachable
from cairnfs.net.serving import Context, Server, TlsFiles
from cairnfs.net.serving.server import is_loopback
from cairnfs.net.tls import client_context
from tests.unit.net.listening import calling, raw, serving
from tests.unit.net.service import ASK, OPEN, Ask, Say, service


async def test_a_server_serves_on_a_free_port() -> None:
    async with serving(service()) as server, calling(server) as calls:
        assert server.port > 0
        assert server.origin == f"http://127.0.0.1:{server.port}"
        assert (await calls.call(ASK, Ask(text="hello"))).text == "hello"


async def test_a_taken_port_is_an_error_that_names_it() -> None:
    async with serving(service()) as first:
        with pytest.raises(Conflict, match=f"127.0.0.1:{first.port} is taken"):
            await Server(service(), port=first.port).start()


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
async def test_an_address_that_is_not_ours_is_an_error(host: str) -> None:
    with pytest.raises(BadRequest, match="cannot listen on"):
        await Server(service(), host=host, insecure=True).start()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
def test_beyond_this_machine_only_with_tls_or_on_request(host: str) -> None:
    with pytest.raises(BadRequest, match="without TLS"):
        Server(service(), host=host)
    Server(service(), host=host, insecure=True)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.8.9.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False),
     ("::", False), ("10.0.0.1", False), ("localhost.example.org", False)],
)  # fmt: skip
def test_what_is_this_machine(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


async def test_a_listening_socket_can_be_handed_in() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        async with serving(service(), fd=listening.fileno()) as server, calling(server) as calls:
            assert server.port == listening.getsockname()[1]
            assert (await calls.call(OPEN)).text == "open"


async def test_after_the_stop_nobody_listens() -> None:
    async with serving(service()) as server, calling(server) as calls:
        assert (await calls.call(OPEN)).text == "open"
        await server.stop()
        with pytest.raises(Unreachable):
            await calls.call(OPEN)


async def test_serve_until_told_to_stop() -> None:
    stop = asyncio.Event()
    server = Server(service())
    await server.start()
    serving = asyncio.create_task(server.serve_until(stop))
    async with calling(server) as calls:
        assert (await calls.call(OPEN)).text == "open"
        stop.set()
        async with asyncio.timeout(10):
            await serving


async def test_a_stop_lets_a_running_request_end() -> None:
    inside, go_on = asyncio.Event(), asyncio.Event()

    async def act(context: Context, request: Ask) -> Say:
        inside.set()
        await go_on.wait()
        return Say(text="done")

    async with serving(service(act)) as server, calling(server) as calls:
        asking = asyncio.create_task(calls.call(ASK, Ask(text="x")))
        await inside.wait()
        stopping = asyncio.create_task(server.stop())
        await asyncio.sleep(0)
        go_on.set()
        assert (await asking).text == "done"
        async with asyncio.timeout(10):
            await stopping


@pytest.mark.loud
async def test_a_stop_does_not_wait_for_ever() -> None:
    inside = asyncio.Event()

    async def act(context: Context, request: Ask) -> Say:
        inside.set()
        await asyncio.Event().wait()
        raise AssertionError

    async with serving(service(act), stop_s=1) as server, calling(server) as calls:
        asking = asyncio.create_task(calls.call(ASK, Ask(text="x")))
        await inside.wait()
        async with asyncio.timeout(5):
            await server.stop()
        with pytest.raises(Unavailable):
            await asking


def certificate(directory: Path) -> TlsFiles:
    """A certificate for 127.0.0.1 that signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "cairn test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    files = TlsFiles(directory / "cert.pem", directory / "key.pem")
    files.certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    files.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return files


async def test_tls_from_end_to_end(tmp_path: Path) -> None:
    files = certificate(tmp_path)
    async with serving(service(), tls=files) as server:
        assert server.origin.startswith("https://")
        async with calling(server, tls=client_context(files.certificate)) as calls:
            assert (await calls.call(ASK, Ask(text="sealed"))).text == "sealed"
        async with calling(server) as calls:
            with pytest.raises(Unreachable, match="cannot connect"):
                await calls.call(OPEN)


def test_certificate_files_that_do_not_serve_are_named(tmp_path: Path) -> None:
    (tmp_path / "cert.pem").write_text("nonsense")
    with pytest.raises(BadRequest, match=r"cert\.pem"):
        Server(service(), tls=TlsFiles(tmp_path / "cert.pem", tmp_path / "key.pem"))
    with pytest.raises(BadRequest, match=r"cert\.pem"):
        client_context(tmp_path / "cert.pem")


async def test_plain_http_to_a_tls_port_is_not_answered(tmp_path: Path) -> None:
    async with serving(service(), tls=certificate(tmp_path)) as server:
        with pytest.raises((ConnectionError, ssl.SSLError, asyncio.IncompleteReadError, AssertionError)):
            assert await raw(server, b"GET / HTTP/1.1\r\n\r\n")
