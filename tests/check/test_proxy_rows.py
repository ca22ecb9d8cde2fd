"""The rows of `check proxy`: ours passes each, and each fails on a proxy that is broken in its way."""

import json
from functools import partial

import pytest
import trio

from chunkwire.net.dial import DialError, parse_url
from chunkwire.net.heads import find_head_end
from chunkwire.net.listen import Address
from chunkwire.tools.check.proxy import departures
from chunkwire.tools.check.proxy.checking import PROXY_ROWS, open_proxy_check
from chunkwire.tools.check.proxy.raw import RawEnd
from chunkwire.tools.check.proxy.trial import CheckedProxy
from chunkwire.tools.check.rows import RowOutcome, RowResult, choose
from chunkwire.tools.check.running import RowRun
from tests.check.relays import END, BrokenProxy, Relay, as_it_is, made_whole
from tests.peers.command import chunkwire, serving
from tests.peers.process import free_port

PATIENCE = 3.0  # s; what never comes is waited for as long, in many rows at once
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

BROKEN = (
    BrokenProxy(
        "copies octets",
        """
            9110/5.5/1 9110/5.5/2 9110/6.6.1 9110/7.6.1 9110/7.6.3 9110/7.8 9112/2.2/1 9112/2.2/2
            9112/2.2/3 9112/2.3 9112/3.2/2 9112/3.2/3 9112/3.2/4 9112/5.1 9112/5.2 9112/6.1/2 9112/6.1/3
            9112/6.1/4 9112/6.3/2 9112/6.3/3 9112/6.3/4 9112/6.3/6 9112/6.3/7 9112/6.3/8 9112/6.3/9 9112/6.3/10
            9112/6.3/11 9112/6.3/12 9112/6.3/13 9112/6.3/14 9112/6.3/15 9112/9.3/1 9112/9.6/2 9112/9.6/3 9112/11.2/1
            9112/11.2/2 9112/11.2/4 9112/11.2/7 9112/11.2/10 9112/11.2/13 9112/11.2/16
        """,
    ),
    BrokenProxy(
        "asks as HTTP/1.1, whatever its client is", "9110/15.2/4 9112/6.1/1", up=((rb" HTTP/1\.0", b" HTTP/1.1"),)
    ),
    BrokenProxy(
        "holds responses",
        "9112/7.1/1 9112/7.1/2 9112/6.2/1 9112/6.3/1 9110/7.6 10036/3/1 10036/3/3",
        gathers_down=as_it_is,
    ),
    BrokenProxy("holds requests", "9112/7.1/3 9112/6.2/2 9110/10.1.1/1 10036/3/2", gathers_up=as_it_is),
    BrokenProxy(
        "makes every response whole",
        """
            9112/8/cut 9112/8/stall 9112/8/stall-in-size 9112/8/reset 9112/8/empty 9112/8/no-terminator
            9112/8/cut-in-size 9112/8/cut-in-character 9112/8/cut-in-crlf 9112/8/cut-in-last-chunk
            9112/8/cut-in-trailers 9112/8/reset-in-data 9112/8/cut-in-head 9112/8/short-length 9112/8/reset-unframed
            9112/8/1.0-reset 9112/7.1/bad-size 9112/7.1/missing-crlf 9112/7.1/giant-size 9112/7.1/no-size
            9112/7.1/negative-size 9112/7.1/prefixed-size 9112/7.1/underscored-size 9112/7.1/wrapped-size
            9112/7.1/long-data 9112/6.3/two-lengths 9112/6.3/bad-length
        """,
        up=((rb" HTTP/1\.0", b" HTTP/1.1"),),
        gathers_down=made_whole,
        silence=0.5,
    ),
    BrokenProxy(
        "makes every request whole",
        """
            9112/8/request-cut 9112/8/request-cut-in-size 9112/8/request-no-terminator
            9112/8/request-cut-in-last-chunk 9112/8/request-reset 9112/7.1/request-bad-size
            9112/7.1/request-negative-size 9112/7.1/request-no-size 9112/7.1/request-missing-crlf
            9112/7.1/request-long-data 9112/7.1/request-wrapped-size 9112/6.3/request-short-length
        """,
        gathers_up=made_whole,
        silence=0.5,
    ),
    BrokenProxy("joins chunks", "9112/7.1/4", down=((rb"3\r\none\r\nc\r\n", b"f\r\none"),)),
    BrokenProxy(
        "drops extensions, trailers and 1xx",
        "9112/7.1.1/1 9112/7.1.2/1 9112/7.1.2/2 9110/15.2/3",
        up=((rb"X-Check: trailed\r\n", b""),),
        down=((rb";check=yes", b""), (rb"X-Check: trailed\r\n", b""), (rb"^HTTP/1.1 103.*?\r\n\r\n", b"")),
    ),
    BrokenProxy("takes chunks with an extension for none", "9112/7.1.1/2", down=((rb"5;a\r\nhello\r\n", b""),)),
    BrokenProxy("merges trailers", "9112/7.1.2/3", up=((rb"Trailer: X-Check", b"X-Check: merged"),)),
    BrokenProxy("knows no padded sizes", "9112/7.1/5", up=((rb"0001;a=b", b"0"),)),
    BrokenProxy("takes 1xx for final", "9110/15.2/1 9110/15.2/2", down=((rb"^HTTP/1.1 10[03] ", b"HTTP/1.1 204 "),)),
    BrokenProxy("asks for the content itself", "9110/10.1.1/2", answers=(rb"Expect: 100-continue", CONTINUE)),
    BrokenProxy(
        "gives HEAD content",
        "9110/9.3.2/1 9110/9.3.2/2",
        down=(
            (rb"Content-Length: 5\r\n\r\n$", b"Content-Length: 5\r\n\r\nhello"),
            (rb"chunked\r\n\r\n$", b"\\g<0>" + END),
        ),
    ),
    BrokenProxy("stays at the upstream", "9112/9.5/1 9112/9.5/2", keeps_upstream=True),
    BrokenProxy("leaves at a half-close", "9112/9.6/1", ends_on_fin=True),
    BrokenProxy("reads without bound", "9112/9.5/3", has_no_bound=True),
    BrokenProxy("answers all as the first", "9112/9.3.2/1 9112/9.3/7 9112/9.3/8", replays=True),
    BrokenProxy("keeps what is left in a connection", "9112/9.2/1", idles=True),
    BrokenProxy(
        "changes Host and fields on the way",
        "9110/5.3/1 9110/5.5/3 9112/3.2/1 9112/3.2.2/1 10036/3/4",
        up=(
            (rb"GET http://[^/]+", b"GET "),
            (rb"\r\nHost: ([^o]+?)\r\n", rb"\r\nHost: \1\r\nHost: \1\r\n"),
            (rb"(X-Check: 1\r\n)(.*)(X-Check: 2\r\n)", rb"\3\2\1"),
            (rb"caf\xe9", b"cafe"),
            (rb"Incremental: \?1\r\n", b""),
        ),
    ),
    BrokenProxy(
        "takes no empty line", "9112/2.2/4", answers=(rb"^\r\n", b"HTTP/1.1 400 x\r\nContent-Length: 0\r\n\r\n")
    ),
    BrokenProxy(
        "takes no long line", "9112/3/1", answers=(rb"q{4000}", b"HTTP/1.1 414 x\r\nContent-Length: 0\r\n\r\n")
    ),
    BrokenProxy(
        "believes the length",
        "9112/6.3/14 9112/11.2/3 9112/11.2/5 9112/11.2/6 9112/11.2/8 9112/11.2/9 9112/11.2/11",
        up=((rb"\r\nTransfer-Encoding[^\r]*(\r\n [^\r]*)?(?=\r\n)", b""),),
    ),
    BrokenProxy(
        "believes whatever looks like chunked",
        "9112/11.2/12 9112/11.2/14 9112/11.2/15",
        up=(
            (rb"Content-Length: \d+\r\n", b""),
            (rb"(\r\n |\r|Transfer_Encoding: chunked)(?!\n)", b"\r\nTransfer-Encoding: chunked\r\nX: "),
        ),
    ),
    BrokenProxy(
        "drops the framing that Connection names, or of a method without content",
        "9112/6.3/14 9112/11.2/17 9112/11.2/18 9112/11.2/19 9112/11.2/20 9112/11.2/21",
        up=((rb"\r\n(Content-Length|Transfer-Encoding): [^\r]*", b""),),
    ),
    BrokenProxy(
        "goes on after what is broken",
        "9112/9.3/2 9112/9.3/3 9112/9.3/4 9112/7.1/6 9112/6.3/5",
        up=(
            (rb"zz\r\n", END),
            (rb"(5\r\nhello)(?=GET)", b"\\1\r\n" + END),
            (rb"no colon\r\n", b"\r\n"),
            (rb"10000000000000005", b"5"),
            (rb"\r\nContent-Length: 500", b""),
        ),
    ),
    BrokenProxy("forgets a body that was answered early", "9112/9.3/5 9112/9.3/6", forgets_body=True),
)


async def results_of(proxy: BrokenProxy, only: list[str]) -> list[RowResult]:
    upstream = Address("127.0.0.1", free_port())
    async with trio.open_nursery() as nursery:
        relay = Relay(proxy, upstream.port)
        (listener,) = await nursery.start(partial(trio.serve_tcp, relay.serve, 0, host="127.0.0.1"))
        url = parse_url(f":{listener.socket.getsockname()[1]}")
        async with open_proxy_check(CheckedProxy(url, PATIENCE), upstream) as check:
            run = RowRun(choose(PROXY_ROWS, only), check.judge, jobs=32)
            await run.run()
        nursery.cancel_scope.cancel()
    if relay.idle is not None:
        relay.idle.socket.close()
    return run.results


@pytest.mark.parametrize("proxy", BROKEN, ids=lambda proxy: proxy.name)
async def test_a_broken_proxy_fails_its_rows(proxy: BrokenProxy) -> None:
    results = await results_of(proxy, proxy.rows.split())
    assert [(each.row.id, each.why) for each in results if each.outcome is not RowOutcome.FAIL] == []
    assert all(each.why and each.octets for each in results)


async def test_a_row_is_open_if_each_later_request_gets_502() -> None:
    later = rb"^GET [^ ]*-9112-9\.3-8-"
    proxy = BrokenProxy("has lost its upstream", "", answers=(later, b"HTTP/1.1 502 x\r\nContent-Length: 0\r\n\r\n"))
    (result,) = await results_of(proxy, ["9112/9.3/8"])
    assert (result.outcome, result.why) == (RowOutcome.UNDECIDED, "4 later requests got 502")


async def test_a_redirect_is_not_a_refusal_of_a_request_that_is_not_valid() -> None:
    redirect = b"HTTP/1.1 301 x\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"
    (result,) = await results_of(BrokenProxy("redirects", "", answers=(rb"\+5", redirect)), ["9112/6.3/10"])
    assert (result.outcome, result.why) == (RowOutcome.FAIL, "the client got 301")


async def test_a_request_that_the_proxy_answers_itself_is_not_called_refused() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    (result,) = await results_of(BrokenProxy("answers", "", answers=(rb"folded", answer)), ["9112/5.2/1"])
    assert (result.outcome, result.why) == (RowOutcome.PASS, "not forwarded: the client got 200")


async def test_pipelined_responses_are_told_apart_without_any_field() -> None:
    proxy = BrokenProxy("drops fields", "", up=((rb"\r\n(?!Host)[a-zA-Z-]+:[^\r]*", b""),))
    (result,) = await results_of(proxy, ["9112/9.3.2/1"])
    assert (result.outcome, result.why) == (RowOutcome.PASS, "three responses in the order of their requests")


async def test_a_proxy_that_takes_all_while_its_client_reads_nothing_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(departures, "MAX_BULK_OCTETS", 1 << 16)  # the kernel alone takes so much
    (result,) = await results_of(BrokenProxy("copies octets", ""), ["9112/9.5/3"])
    assert (result.outcome, result.why.endswith("and did not stop reading")) == (RowOutcome.FAIL, True)


async def test_a_proxy_that_has_ended_is_found_out() -> None:
    upstream = Address("127.0.0.1", free_port())
    async with trio.open_nursery() as nursery:
        relay = Relay(BrokenProxy("copies octets", ""), upstream.port)
        (listener,) = await nursery.start(partial(trio.serve_tcp, relay.serve, 0, host="127.0.0.1"))
        url = parse_url(f":{listener.socket.getsockname()[1]}")
        async with open_proxy_check(CheckedProxy(url, PATIENCE), upstream) as check:
            await check.check_accepts()
            nursery.cancel_scope.cancel()
            with trio.CancelScope(shield=True):
                await listener.aclose()
                with pytest.raises(DialError, match="refused the connection"):
                    await check.check_accepts()


def test_every_row_fails_on_a_broken_proxy() -> None:
    failing = {row.row.id for proxy in BROKEN for row in choose(PROXY_ROWS, proxy.rows.split())}
    assert [row.row.id for row in PROXY_ROWS if row.row.id not in failing] == []


def test_no_two_rows_share_an_id() -> None:
    ids = [row.row.id for row in PROXY_ROWS]
    assert sorted(ids) == sorted(set(ids))


def test_our_gateway_passes_every_row() -> None:
    upstream = f"127.0.0.1:{free_port()}"
    with serving("forward", f"http://{upstream}") as gateway:
        run = chunkwire("check", "proxy", gateway.url(""), "--upstream", upstream, "--json", "-")
    rows = json.loads(run.stdout)["rows"]
    assert {row["id"]: row["why"] for row in rows if row["outcome"] != "pass"} == {}
    assert len(rows) == len(PROXY_ROWS)
    assert run.returncode == 0


class OctetByOctet(RawEnd):
    """An end whose peer sends single octets."""

    def __init__(self, octets: bytes) -> None:
        self.pending = bytearray()
        self._coming = iter(octets)

    async def receive(self) -> bool:
        self.pending.append(next(self._coming))
        return True


async def test_the_end_of_a_head_is_searched_in_new_octets_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails where a head of 256 KiB in single octets is searched from its start at each of them."""
    searched: list[int] = []

    def find(buffer: bytearray, start: int) -> int | None:
        searched.append(len(buffer) - start)
        return find_head_end(buffer, start)

    monkeypatch.setattr("chunkwire.tools.check.proxy.raw.find_head_end", find)
    octets = b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n"
    head = await OctetByOctet(b"\r\n" + octets).read_head()
    assert head is not None
    assert head.octets == octets
    assert sum(searched) == len(octets)
