"""What people type: URLs and addresses to listen on, and the one line that says what is wrong with them."""

from collections.abc import Callable

import pytest

from chunkwire.net.dial import Url, parse_url
from chunkwire.net.listen import Address, parse_address
from chunkwire.net.unix import MAX_PATH_OCTETS
from chunkwire.wire.errors import LocalError


@pytest.mark.parametrize(
    "text, url",
    [
        ("http://h/p?q=1#f", Url("http", "h", 80, b"/p?q=1")),
        ("HTTP://H.Example:8081", Url("http", "H.Example", 8081, b"/")),
        ("https://h", Url("https", "h", 443, b"/")),
        ("https://h:80/", Url("https", "h", 80, b"/")),
        ("h/p", Url("http", "h", 80, b"/p")),
        ("localhost:8081/sse", Url("http", "localhost", 8081, b"/sse")),
        (":8081/sse", Url("http", "127.0.0.1", 8081, b"/sse")),
        (":8081", Url("http", "127.0.0.1", 8081, b"/")),
        ("8081", Url("http", "127.0.0.1", 8081, b"/")),
        ("8081/sse", Url("http", "127.0.0.1", 8081, b"/sse")),
        ("8081:/sse", Url("http", "127.0.0.1", 8081, b"/sse")),
        ("http://8081", Url("http", "8081", 80, b"/")),
        (":1?a=b", Url("http", "127.0.0.1", 1, b"/?a=b")),
        ("http://[::1]:8081/p", Url("http", "::1", 8081, b"/p")),
        ("[::1]/p", Url("http", "::1", 80, b"/p")),
        (" http://h/p \n", Url("http", "h", 80, b"/p")),
        ("http://h/a b/\u00e9?x=<\u20ac>", Url("http", "h", 80, b"/a%20b/%C3%A9?x=%3C%E2%82%AC%3E")),
        ("http://h/%20%zz//../;a=b&c", Url("http", "h", 80, b"/%20%25zz//../;a=b&c")),
        ("http://h/{a|b}?c[]=^`\\%", Url("http", "h", 80, b"/%7Ba%7Cb%7D?c%5B%5D=%5E%60%5C%25")),
        ("http://h/a\r\nX: y", Url("http", "h", 80, b"/a%0D%0AX:%20y")),
        ("http://h:/", Url("http", "h", 80, b"/")),
        ("https://[::1]:?a", Url("https", "::1", 443, b"/?a")),
        ("http://h:65535/", Url("http", "h", 65535, b"/")),
        ("unix:/run/a.sock", Url("http", "/run/a.sock", 80, b"/")),
        ("http+unix://%2Frun%2Fa.sock", Url("http", "/run/a.sock", 80, b"/")),
        ("http+unix://%2Frun%2Fa.sock/p?q", Url("http", "/run/a.sock", 80, b"/p?q")),
    ],
)
def test_a_url_is_taken_apart(text: str, url: Url) -> None:
    assert parse_url(text) == url


@pytest.mark.parametrize(
    "text, authority, shown",
    [
        ("http://h:80/p", b"h", "http://h/p"),
        ("https://h:443", b"h", "https://h/"),
        ("https://h:80", b"h:80", "https://h:80/"),
        (":8081/sse", b"127.0.0.1:8081", "http://127.0.0.1:8081/sse"),
        ("[::1]:8081", b"[::1]:8081", "http://[::1]:8081/"),
        ("unix:/run/a.sock", b"localhost", "http+unix://%2Frun%2Fa.sock/"),
        ("unix:/run/é:1.sock", b"localhost", "http+unix://%2Frun%2F%C3%A9%3A1.sock/"),
        ("unix:/run/\udcff", b"localhost", "http+unix://%2Frun%2F%FF/"),  # a name that is no UTF-8
    ],
)
def test_a_url_gives_the_host_field_and_itself(text: str, authority: bytes, shown: str) -> None:
    url = parse_url(text)
    assert (url.authority, str(url)) == (authority, shown)
    assert parse_url(shown) == url


@pytest.mark.parametrize(
    "text, address",
    [
        ("127.0.0.1:8081", Address("127.0.0.1", 8081)),
        ("0.0.0.0:80", Address("0.0.0.0", 80)),
        ("localhost:1", Address("localhost", 1)),
        (":8081", Address("127.0.0.1", 8081)),
        ("8081", Address("127.0.0.1", 8081)),
        ("0", Address("127.0.0.1", 0)),
        (" :0 ", Address("127.0.0.1", 0)),
        ("00080", Address("127.0.0.1", 80)),
        ("65535", Address("127.0.0.1", 65535)),
        ("[::1]:8081", Address("::1", 8081)),
        ("[::]:0", Address("::", 0)),
    ],
)
def test_an_address_is_a_host_and_a_port_or_a_port_on_loopback(text: str, address: Address) -> None:
    assert parse_address(text) == address
    assert parse_address(str(address)) == address


@pytest.mark.parametrize(
    "text, address",
    [
        ("[::1]", Address("::1", 8081)),
        ("[::]", Address("::", 8081)),
        ("[fe80::1%eth0]", Address("fe80::1%eth0", 8081)),
        ("localhost", Address("localhost", 8081)),
        (" 127.0.0.1 ", Address("127.0.0.1", 8081)),
        ("my-host.example", Address("my-host.example", 8081)),
        ("[::1]:1", Address("::1", 1)),
        ("1", Address("127.0.0.1", 1)),
    ],
)
def test_a_host_alone_takes_the_default_port_where_there_is_one(text: str, address: Address) -> None:
    assert parse_address(text, default_port=8081) == address


@pytest.mark.parametrize(
    "text", ["", "*:1", "*", "::1", "[]", "[::1", "::1]", "65536", "8x", "1.2", "h:", "http://h", "h/"]
)
def test_what_is_no_host_alone_is_refused_with_a_default_port_too(text: str) -> None:
    with pytest.raises(LocalError, match=r"^expected "):
        parse_address(text, default_port=8081)


def test_the_path_of_a_unix_socket_has_a_limit() -> None:
    path = "/" + "x" * (MAX_PATH_OCTETS - 1)
    assert parse_address(f"unix:{path}") == Address(path, 0)
    with pytest.raises(LocalError, match=f"at most {MAX_PATH_OCTETS} octets, which a Unix socket may have, got"):
        parse_address(f"unix:{path}x")


@pytest.mark.parametrize(
    "parse, text, names",
    [
        (parse_url, "", "URL"),
        (parse_url, "http://h/\ud800", "with a surrogate"),
        (parse_url, "http+unix://\ud800/", "with a surrogate"),
        (parse_url, "/sse", "URL"),
        (parse_url, "?a", "URL"),
        (parse_url, "ftp://h/", "http"),
        (parse_url, "http://", "host"),
        (parse_url, "http:///p", "host"),
        (parse_url, "http://:80/", "host"),
        (parse_url, ":", "URL"),
        (parse_url, "http://:/", "host"),
        (parse_url, "http://h:0/", "port"),
        (parse_url, "http://h:65536/", "port"),
        (parse_url, "http://h:000080/", "port"),
        (parse_url, "http://h:99999999999/", "port"),
        (parse_url, "http://h:8x/", "port"),
        (parse_url, "http://h:\u0668\u0660/", "port"),
        (parse_url, "http://a b/", "host"),
        (parse_url, "http://[::1/", "URL"),
        (parse_url, "http://[g]/", "host"),
        (parse_url, "http://[abc]/", "host"),
        (parse_url, "http://[1.2.3.4]/", "host"),
        (parse_url, "http+unix://%2Frun:80/", "port"),
        (parse_url, "wss://h/ws", "`chunkwire.client.websocket` reads it"),
        (parse_url, "http://::1/", "host"),
        (parse_url, "http://u@h/", "no user or password"),
        (parse_url, "https://u:secret@h:8443/a?b", "no user or password"),
        (parse_url, "u@h/", "no user or password"),
        (parse_url, "u:secret@h:8443", "no user or password"),
        (parse_url, "http://m\u00fcnchen.example/", "host"),
        (parse_address, "", "PORT"),
        (parse_address, "localhost", "PORT"),
        (parse_address, "h:", "PORT"),
        (parse_address, ":", "PORT"),
        (parse_address, ":65536", "65535"),
        (parse_address, ":000080", "PORT"),
        (parse_address, ":-1", "PORT"),
        (parse_address, ":8x", "PORT"),
        (parse_address, ":\u0668\u0660", "PORT"),
        (parse_address, "http://127.0.0.1:8081", "HOST:PORT"),
        (parse_address, "127.0.0.1:8081/", "HOST:PORT"),
        (parse_address, "[::1]", "PORT"),
        (parse_address, "::1:8081", "brackets"),
        (parse_address, "::1", "brackets"),
    ],
)
def test_another_text_is_refused_in_one_line_that_names_what_is_wrong(
    parse: Callable[[str], object], text: str, names: str
) -> None:
    with pytest.raises(LocalError) as caught:
        parse(text)
    message = str(caught.value)
    assert message.startswith("expected ")
    assert names in message
    assert "\n" not in message
