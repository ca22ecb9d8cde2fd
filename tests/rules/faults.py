"""The ways in which a stream breaks, each with the test of what the gateway then does."""

from __future__ import annotations

from typing import Final

from tests.rules.table import Row, Rows

UPSTREAM = "tests/forward/test_faults_upstream.py::"
CLIENTS = "tests/forward/test_faults_clients.py::"
SERVER = "tests/forward/test_faults_server.py::"
ATTACKS = "tests/forward/test_attacks_connections.py::"
CONNECTIONS = "tests/forward/test_rules_connections.py::"
FRAMING = "tests/forward/test_rules_framing.py::"
HEADS = "tests/forward/test_rules_heads.py::"

ORIGIN_EXCHANGE = "tests/server/test_exchange.py::"
ORIGIN_RESPONDER = "tests/server/test_responder.py::"
ORIGIN_REFUSALS = "tests/server/test_refusals.py::"
ORIGIN_SERVER = "tests/server/test_serving.py::"

FAULTS: Final[Rows] = {
    "1": Row(
        "upstream reset in mid-chunk",
        gateway=UPSTREAM + "test_an_upstream_that_ends_in_a_chunk_is_passed_on_as_a_cut",
        peers="both: octets, then FIN, re-chunked, no last-chunk",
    ),
    "2": Row(
        "upstream FIN in mid-chunk",
        gateway=UPSTREAM + "test_an_upstream_that_ends_in_a_chunk_is_passed_on_as_a_cut",
        peers="the same",
    ),
    "3": Row(
        "FIN after a chunk, no last-chunk",
        gateway=UPSTREAM + "test_a_fin_without_the_end_of_the_body_is_a_cut",
        peers="the same",
    ),
    "4": Row(
        "upstream FIN before any octet, or a reset at once: 502",
        gateway=UPSTREAM + "test_an_upstream_that_ends_before_its_head_does_is_a_502",
        peers="502, both",
    ),
    "5": Row(
        "FIN in the head: 502",
        gateway=UPSTREAM + "test_an_upstream_that_ends_before_its_head_does_is_a_502",
        peers="502, both",
    ),
    "6": Row(
        "upstream never answers: 504, upstream closed",
        gateway=UPSTREAM + "test_an_upstream_that_never_answers_is_a_504",
        peers="504 at the timeout, both",
    ),
    "7": Row(
        "upstream stalls in the body: closed without last-chunk",
        gateway=UPSTREAM + "test_an_upstream_that_stalls_in_the_body_is_cut",
        peers="FIN at the timeout, both",
    ),
    "8": Row(
        "slow client, fast upstream: bounded memory, the upstream blocked",
        gateway=CLIENTS + "test_a_slow_client_blocks_its_upstream_and_gets_every_octet",
        peers="the upstream got 6.3 and 6.5 MB away and was blocked; closed after 3 s",
    ),
    "9": Row(
        "a client's half-close after the request: stream on",
        "OG",
        origin=ORIGIN_EXCHANGE + "test_a_half_close_is_no_loss_of_interest",
        gateway=CONNECTIONS + "test_a_half_close_is_no_loss_of_interest",
        peers="nginx aborts at once; HAProxy streams all and ends well",
    ),
    "10": Row(
        "a client closes or resets in the stream: the upstream cancelled within one write",
        "OG",
        origin=ORIGIN_RESPONDER + "test_a_reset_ends_a_responder_that_waits",
        gateway=CLIENTS + "test_a_client_that_leaves_ends_its_upstream_within_a_write",
        peers="the upstream saw it within 0.2 s, both",
    ),
    "11": Row(
        "a client vanishes without FIN: a send deadline, and keepalive in silence",
        gateway=CLIENTS + "test_a_client_that_takes_nothing_ends_at_a_deadline",
        peers="HAProxy: timeout client; nginx: send_timeout",
    ),
    "12": Row(
        "a head that drips: 408 at a total deadline",
        gateway=CLIENTS + "test_a_head_that_does_not_end_is_a_408_or_a_close",
        peers="nginx closes silently; HAProxy 408",
    ),
    "13": Row(
        "a huge head from the client: 431 and close",
        "OG",
        origin=ORIGIN_REFUSALS + "test_a_head_at_the_limit_is_served_and_one_octet_more_gets_431",
        gateway=CLIENTS + "test_a_huge_head_from_a_client_is_a_431",
        peers="400, both",
    ),
    "14": Row(
        "a huge head from upstream: 502",
        gateway=UPSTREAM + "test_a_huge_head_from_upstream_is_a_502",
        peers="502, both",
    ),
    "15": Row(
        "a flood of 1xx: a few passed on, then 502",
        gateway=UPSTREAM + "test_a_flood_of_1xx_is_a_502",
        peers="HAProxy passes all 200 on; nginx 1.22 takes the first for final",
    ),
    "16": Row(
        "octets after the end of the response: dropped, upstream closed",
        gateway=ATTACKS + "test_an_extra_response_is_nobodys",
        peers="both drop them, and the next response is right",
    ),
    "17": Row(
        "two framings in a response, or HTTP/1.0 with Transfer-Encoding: 502",
        gateway=FRAMING + "test_a_length_beside_a_coding_is_refused",
        peers="both relay it chunked without the length; newer nginx: 502",
    ),
    "18": Row(
        "an unsolicited 101: 502",
        gateway="tests/forward/test_rules_fields.py::test_a_101_that_was_not_asked_for_is_refused",
        peers="HAProxy 502; nginx 1.22 tunnels",
    ),
    "19": Row(
        "204, HEAD or 304 with a body: none of it, upstream closed",
        gateway=FRAMING + "test_a_response_without_a_body_ends_at_its_empty_line",
        peers="both, for 204 and HEAD",
    ),
    "20": Row(
        "an early answer, the request body unfinished: forwarded, both closed",
        gateway=ATTACKS + "test_an_early_answer_ends_the_body_and_both_connections",
        peers="nginx closes; HAProxy kept waiting for the body past 2.5 s",
    ),
    "21": Row(
        "pipelined requests: in order",
        "OG",
        origin=ORIGIN_EXCHANGE + "test_pipelined_requests_are_answered_in_order",
        gateway=CONNECTIONS + "test_pipelined_requests_are_answered_in_order",
        peers="in order, both",
    ),
    "22": Row(
        "a bad request: 400 or 505, close, nothing run after it",
        "OG",
        origin=ORIGIN_REFUSALS + "test_a_head_that_cannot_be_trusted_is_refused_and_ends_the_connection",
        gateway=HEADS + "test_a_broken_request_line_gets_400_and_no_repair",
        peers="nginx 400, 400, 400, 505; HAProxy 2.6: 200, 400, 200, 200",
    ),
    "23": Row(
        "obs-fold or NUL in a response head: 502",
        gateway=HEADS + "test_a_folded_line_is_refused",
        peers="nginx 502; HAProxy 2.6 200 for both",
    ),
    "24": Row(
        "SIGTERM during streams: accept no more, a grace time, then cut; exit 0; a second one: at once",
        "OG",
        origin=ORIGIN_SERVER + "test_a_stream_is_cut_when_the_grace_time_is_over",
        gateway=SERVER + "test_sigterm_cuts_a_stream_when_the_grace_time_is_over",
        peers="nginx: QUIT and worker_shutdown_timeout; HAProxy: USR1 and hard-stop-after",
    ),
    "25": Row(
        "EMFILE: no spin, no crash, recovers; 503 where an upstream cannot be dialled",
        gateway=SERVER + "test_without_a_descriptor_the_gateway_neither_spins_nor_ends",
        peers="trio pauses 0.1 s, nginx 0.5 s, Go 5 ms to 1 s",
    ),
    "26": Row(
        "10,000 idle connections: few KiB each, a new stream within a second (`python -m bench.idle`)",
        gateway=SERVER + "test_a_thousand_idle_connections_hold_nobody_up",
        peers="HAProxy: maxconn; nginx: worker_connections",
    ),
    "27": Row(
        "a handler raises: only that connection dies, groups too",
        gateway=SERVER + "test_an_error_of_ours_ends_one_connection",
        peers="trio.serve_listeners ends the whole server; Go recovers per connection",
    ),
    "28": Row(
        "HTTP/1.0 client, chunked upstream: content and a close, a reset for a cut",
        "OG",
        origin=ORIGIN_EXCHANGE + "test_http_1_0_gets_raw_content_until_close",
        gateway=UPSTREAM + "test_an_http_1_0_client_gets_content_and_a_reset_for_a_cut",
        peers="nginx dechunks, and a truncation looks complete; HAProxy 2.6 sends chunks",
    ),
}
