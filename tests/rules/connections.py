"""The rules for connections and single fields, rows 50 to 69, each with the tests that hold the servers to it."""

from __future__ import annotations

from typing import Final

from tests.rules.table import Row, Rows

HEADS = "tests/forward/test_rules_heads.py::"
FIELDS = "tests/forward/test_rules_fields.py::"
CONNECTIONS = "tests/forward/test_rules_connections.py::"

ORIGIN_REFUSALS = "tests/server/test_refusals.py::"
ORIGIN_RESPONDER = "tests/server/test_responder.py::"
ORIGIN_RULES = "tests/server/test_rules.py::"
ORIGIN_EXCHANGE = "tests/server/test_exchange.py::"

CONNECTIONS_AND_FIELDS: Final[Rows] = {
    "50": Row(
        "9112 9.2: answers matched to requests in order; 1xx does not end a request",
        "G",
        gateway=CONNECTIONS + "test_answers_come_in_order_and_a_1xx_ends_no_request",
    ),
    "51": Row(
        "9112 9.2: data on an idle connection is no response: close",
        "G",
        gateway=CONNECTIONS + "test_octets_or_a_close_on_an_idle_upstream_end_it",
    ),
    "52": Row(
        "9112 9.3: read the whole request body or close after the answer",
        "OG",
        origin=ORIGIN_EXCHANGE + "test_a_small_body_that_nobody_read_is_drained",
        gateway=CONNECTIONS + "test_a_request_body_that_was_not_read_closes_both_sides",
        peers="nginx closes; HAProxy waits for the body past 2.5 s",
    ),
    "53": Row(
        "9112 9.3: read the whole response before reuse",
        "G",
        gateway=CONNECTIONS + "test_an_upstream_is_asked_again_only_after_a_whole_response",
    ),
    "54": Row(
        "9112 9.3: MUST NOT keep a connection alive with an HTTP/1.0 client",
        "G",
        gateway=CONNECTIONS + "test_a_connection_with_an_http_1_0_client_ends_after_the_answer",
    ),
    "55": Row(
        "9112 9.3.2: pipelined requests answered in order",
        "OG",
        origin=ORIGIN_EXCHANGE + "test_pipelined_requests_are_answered_in_order",
        gateway=CONNECTIONS + "test_pipelined_requests_are_answered_in_order",
        peers="both answer in order",
    ),
    "56": Row(
        "9112 9.5: watch for the peer's close during a stream; free both sides promptly",
        "OG",
        origin=ORIGIN_RESPONDER + "test_a_reset_ends_a_responder_that_waits",
        gateway=CONNECTIONS + "test_a_client_that_resets_ends_its_upstream_at_once",
        peers="both end their upstream within 0.2 s",
    ),
    "57": Row(
        "9112 9.6: Connection: close: close after the answer, and process nothing more",
        "OG",
        origin=ORIGIN_EXCHANGE + "test_connection_close_is_honoured_and_nothing_runs_after_it",
        gateway=CONNECTIONS + "test_connection_close_ends_the_connection_and_nothing_more_is_run",
    ),
    "58": Row(
        "9112 9.6: close in stages, so that a reset does not eat the last octets",
        "OG",
        origin=ORIGIN_EXCHANGE + "test_the_last_octets_survive_a_client_that_still_sends",
        gateway=CONNECTIONS + "test_the_last_octets_survive_a_client_that_still_sends",
    ),
    "59": Row(
        "9112 9.6: a half-close is neither the end of a request nor a loss of interest",
        "OG",
        origin=ORIGIN_EXCHANGE + "test_a_half_close_is_no_loss_of_interest",
        gateway=CONNECTIONS + "test_a_half_close_is_no_loss_of_interest",
        peers="nginx aborts at once; HAProxy streams to the end",
    ),
    "60": Row(
        "9112 11.1: application values with CR or LF cannot reach the head, ext or trailer lines",
        "O",
        origin=ORIGIN_RESPONDER + "test_what_must_not_reach_the_head_or_trailers_does_not",
    ),
    "61": Row(
        "9110 5.5: CR, LF, NUL or another control octet in a value is refused",
        "G",
        gateway=HEADS + "test_a_control_octet_in_a_value_is_refused",
        peers="nginx answers 502 to NUL in a response; HAProxy 2.6 relays it",
    ),
    "62": Row(
        "9110 5.4: a head too large gets 431",
        "OG",
        origin=ORIGIN_REFUSALS + "test_a_head_at_the_limit_is_served_and_one_octet_more_gets_431",
        gateway=HEADS + "test_a_head_at_the_limit_is_served_and_one_octet_more_gets_431",
        peers="both answer 400",
    ),
    "63": Row(
        "9110 5.3: MUST NOT reorder same-name fields",
        "G",
        gateway=FIELDS + "test_same_name_fields_keep_their_order",
    ),
    "64": Row(
        "9110 6.6.1: Date on 2xx, 3xx, 4xx; the gateway adds it if missing",
        "OG",
        origin=ORIGIN_RULES + "test_every_final_response_has_a_date",
        gateway=FIELDS + "test_a_missing_date_is_added_and_one_that_is_there_stays",
    ),
    "65": Row(
        "9110 7.6.1: drop Connection and each field it names; refuse such a trailer",
        "G",
        gateway=FIELDS + "test_connection_and_the_fields_it_names_are_dropped",
    ),
    "66": Row(
        "9110 7.6.3: Via on requests; may on responses",
        "G",
        gateway=FIELDS + "test_via_names_the_received_version_after_those_before",
    ),
    "67": Row(
        "9110 7.8, 9.3.6: 101 only if the client asked; Upgrade from 1.0 ignored; CONNECT refused",
        "OG",
        origin=ORIGIN_RULES + "test_an_upgrade_that_was_not_asked_for_is_refused",
        gateway=FIELDS + "test_a_101_that_was_not_asked_for_is_refused",
        peers="HAProxy answers 502; nginx 1.22 tunnels",
    ),
    "68": Row(
        "9110 10.1.1: 100-continue: 100, or a final status without waiting for the body; ignored from 1.0",
        "OG",
        origin=ORIGIN_EXCHANGE + "test_100_is_sent_only_when_the_body_is_read",
        gateway=CONNECTIONS + "test_a_request_that_expects_100_gets_it_from_upstream",
    ),
    "69": Row(
        "9110 15.2: parse and forward 1xx; none to HTTP/1.0, none with a body",
        "G",
        gateway=FIELDS + "test_a_1xx_goes_down_but_not_to_http_1_0",
        peers="HAProxy passes 200 of 103 on; nginx 1.22 takes the first for final",
    ),
}
