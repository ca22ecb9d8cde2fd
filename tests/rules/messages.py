"""The rules for one message, rows 1 to 49 (RFC 9112 §2 to §8), each with the tests that hold the servers to it."""

from __future__ import annotations

from typing import Final

from tests.rules.table import Row, Rows

HEADS = "tests/forward/test_rules_heads.py::"
FRAMING = "tests/forward/test_rules_framing.py::"
BODIES = "tests/forward/test_rules_bodies.py::"
FIELDS = "tests/forward/test_rules_fields.py::"

ORIGIN_REFUSALS = "tests/server/test_refusals.py::"
ORIGIN_RESPONDER = "tests/server/test_responder.py::"
ORIGIN_RULES = "tests/server/test_rules.py::"
ORIGIN_EXCHANGE = "tests/server/test_exchange.py::"

MESSAGES: Final[Rows] = {
    "1": Row(
        "9112 2.2: parse octets, not text: bytes 0x80-0xFF in values, ext and data survive unchanged",
        "G",
        gateway=BODIES + "test_octets_beyond_ascii_survive_in_data_and_ext",
    ),
    "2": Row(
        "9112 2.2: a bare LF ends no line in a chunked body (erratum 7633), at the most one in a head",
        "OG",
        origin=ORIGIN_REFUSALS + "test_bare_lf_in_a_chunked_body_gets_a_400_that_names_the_flag",
        gateway=BODIES + "test_a_bare_lf_in_a_chunked_body_is_refused_where_it_stands",
    ),
    "3": Row(
        "9112 2.2: MUST NOT send a bare CR outside content",
        "OG",
        origin=ORIGIN_RESPONDER + "test_what_must_not_reach_the_head_or_trailers_does_not",
        gateway=HEADS + "test_no_bare_cr_is_ever_sent",
    ),
    "4": Row(
        "9112 2.2: a bare CR received is refused: 400, 502",
        "G",
        gateway=HEADS + "test_a_bare_cr_in_a_head_is_refused",
    ),
    "5": Row(
        "9112 2.2: ignore at least one CRLF before the request-line",
        "OG",
        origin=ORIGIN_REFUSALS + "test_an_empty_line_before_the_request_is_ignored",
        gateway=HEADS + "test_an_empty_line_before_a_request_is_ignored",
    ),
    "6": Row(
        "9112 2.2: no white space between start-line and first field",
        "OG",
        origin=ORIGIN_RULES + "test_a_blank_line_after_the_request_line_is_refused",
        gateway=HEADS + "test_a_blank_line_after_the_start_line_is_refused",
    ),
    "7": Row(
        "9112 2.2: non-HTTP bytes: 400 and close (send a TLS hello, an SSH banner)",
        "OG",
        origin=ORIGIN_REFUSALS + "test_a_head_that_cannot_be_trusted_is_refused_and_ends_the_connection",
        gateway=HEADS + "test_octets_that_are_no_http_get_400_at_once",
    ),
    "8": Row(
        "9112 2.3: send its own version: upstream says HTTP/1.0, client still sees HTTP/1.1",
        "G",
        gateway=HEADS + "test_the_gateway_speaks_its_own_version",
    ),
    "9": Row(
        "9110 2.5, 6.2: HTTP/1.9 is handled as 1.1; another major version gets 505",
        "OG",
        origin=ORIGIN_REFUSALS + "test_http_1_9_is_served_as_1_1",
        gateway=HEADS + "test_another_major_version_is_answered_505",
        peers="nginx answers 505 to HTTP/2.0; HAProxy 2.6 serves it",
    ),
    "10": Row(
        "9112 3: target too long: 414; a request-line of 8000 octets works (RECOMMENDED)",
        "OG",
        origin=ORIGIN_REFUSALS + "test_a_target_over_the_limit_gets_414",
        gateway=HEADS + "test_a_request_line_of_8000_octets_works_and_one_over_the_limit_gets_414",
    ),
    "11": Row(
        "9112 3: unknown long method: 501",
        "OG",
        origin=ORIGIN_REFUSALS + "test_an_unknown_method_gets_501",
        gateway=HEADS + "test_a_method_longer_than_any_gets_501",
    ),
    "12": Row(
        "9112 3.2: broken request-line: 400; no repair",
        "OG",
        origin=ORIGIN_REFUSALS + "test_a_head_that_cannot_be_trusted_is_refused_and_ends_the_connection",
        gateway=HEADS + "test_a_broken_request_line_gets_400_and_no_repair",
    ),
    "13": Row(
        "9112 3.2: 400 for no Host (1.1), two Hosts, a bad Host value",
        "OG",
        origin=ORIGIN_REFUSALS + "test_a_head_that_cannot_be_trusted_is_refused_and_ends_the_connection",
        gateway=HEADS + "test_no_host_two_hosts_or_a_bad_one_get_400",
        peers="nginx answers 400 to no Host; HAProxy 2.6 serves it",
    ),
    "14": Row(
        "9112 3.2.2: accept absolute-form, ignore Host, and send upstream a Host made from the target",
        "OG",
        origin=ORIGIN_REFUSALS + "test_an_absolute_target_is_served",
        gateway=HEADS + "test_an_absolute_target_replaces_host",
    ),
    "15": Row(
        "9112 4: a status line without reason still ends in SP: HTTP/1.1 200 ",
        "OG",
        origin=ORIGIN_RULES + "test_a_status_without_a_reason_keeps_its_space",
        gateway=HEADS + "test_a_status_without_a_reason_keeps_its_space",
    ),
    "16": Row(
        "9112 5.1: a blank before the colon: 400 in a request, never sent on in a response",
        "OG",
        origin=ORIGIN_REFUSALS + "test_a_head_that_cannot_be_trusted_is_refused_and_ends_the_connection",
        gateway=HEADS + "test_a_blank_before_the_colon_is_refused",
    ),
    "17": Row(
        "9112 5.2: MUST NOT send obs-fold",
        "OG",
        origin=ORIGIN_RESPONDER + "test_what_must_not_reach_the_head_or_trailers_does_not",
        gateway=HEADS + "test_a_folded_line_is_never_sent",
    ),
    "18": Row(
        "9112 5.2: obs-fold received is refused: 400, 502",
        "G",
        gateway=HEADS + "test_a_folded_line_is_refused",
        peers="nginx answers 502 to a folded response; HAProxy 2.6 relays it",
    ),
    "19": Row(
        "9112 6.1: MUST NOT chunk twice: octets that arrive chunked are not chunked again",
        "OG",
        origin=ORIGIN_RULES + "test_a_chunked_body_is_not_chunked_again",
        gateway=FRAMING + "test_a_chunked_body_is_not_chunked_again",
    ),
    "20": Row(
        "9112 6.1: MUST NOT send Transfer-Encoding in a 1xx or 204",
        "OG",
        origin=ORIGIN_RESPONDER + "test_a_status_without_a_body_cannot_be_chunked",
        gateway=FRAMING + "test_a_204_goes_down_without_framing_and_a_1xx_with_it_is_refused",
    ),
    "21": Row(
        "9112 6.1: MUST NOT send Transfer-Encoding or Content-Length in a 2xx to CONNECT",
        "OG",
        origin=ORIGIN_REFUSALS + "test_connect_is_refused",
        gateway=FRAMING + "test_connect_is_refused_before_any_upstream_is_asked",
    ),
    "22": Row(
        "9112 6.1: unknown coding in a request: 501",
        "OG",
        origin=ORIGIN_REFUSALS + "test_a_head_that_cannot_be_trusted_is_refused_and_ends_the_connection",
        gateway=FRAMING + "test_an_unknown_coding_in_a_request_gets_501",
    ),
    "23": Row(
        "9112 6.1: MUST NOT send Transfer-Encoding to a client that said HTTP/1.0",
        "OG",
        origin=ORIGIN_EXCHANGE + "test_http_1_0_gets_raw_content_until_close",
        gateway="tests/forward/test_faults_upstream.py::test_an_http_1_0_client_gets_content_and_a_reset_for_a_cut",
        peers="nginx dechunks (a truncation then looks complete); HAProxy 2.6 sends chunked",
    ),
    "24": Row(
        "9112 6.1, 6.3: Content-Length beside Transfer-Encoding: 400 and close; 502 for a response",
        "OG",
        origin=ORIGIN_REFUSALS + "test_a_head_that_cannot_be_trusted_is_refused_and_ends_the_connection",
        gateway=FRAMING + "test_a_length_beside_a_coding_is_refused",
        peers="request: nginx 400, HAProxy 2.6 serves it; response: both relay it chunked, newer nginx 502",
    ),
    "25": Row(
        "9112 6.1: an HTTP/1.0 message with Transfer-Encoding is faulty: close",
        "OG",
        origin=ORIGIN_REFUSALS + "test_a_head_that_cannot_be_trusted_is_refused_and_ends_the_connection",
        gateway=FRAMING + "test_a_coding_in_an_http_1_0_message_is_refused",
        peers="both relay it as chunked",
    ),
    "26": Row(
        "9112 6.2: MUST NOT send Content-Length together with Transfer-Encoding",
        "OG",
        origin=ORIGIN_RESPONDER + "test_what_must_not_reach_the_head_or_trailers_does_not",
        gateway=FRAMING + "test_no_head_is_sent_with_both_framings",
    ),
    "27": Row(
        "9112 6.3: HEAD, 1xx, 204 and 304 end at the empty line, even with Transfer-Encoding",
        "G",
        gateway=FRAMING + "test_a_response_without_a_body_ends_at_its_empty_line",
        peers="both drop the octets, for 204 and HEAD; nginx takes a 103 for final",
    ),
    "28": Row(
        "9112 6.3: a response whose Transfer-Encoding does not end in chunked: 502",
        "G",
        gateway=FRAMING + "test_a_coding_that_does_not_end_in_chunked_is_refused",
    ),
    "29": Row(
        "9112 6.3: a request whose Transfer-Encoding does not end in chunked: 400 and close",
        "OG",
        origin=ORIGIN_REFUSALS + "test_a_head_that_cannot_be_trusted_is_refused_and_ends_the_connection",
        gateway=FRAMING + "test_a_coding_that_does_not_end_in_chunked_is_refused",
    ),
    "30": Row(
        "9112 6.3: a bad Content-Length in a response: 502",
        "G",
        gateway=FRAMING + "test_a_bad_length_in_a_response_gets_502",
    ),
    "31": Row(
        "9112 6.3, 9110 8.6: Content-Length `5, 5`, or twice the same, is refused",
        "OG",
        origin=ORIGIN_REFUSALS + "test_a_head_that_cannot_be_trusted_is_refused_and_ends_the_connection",
        gateway=FRAMING + "test_a_length_said_twice_is_refused_and_said_once_is_relayed",
    ),
    "32": Row(
        "9112 6.3: fewer octets than Content-Length: incomplete, close",
        "G",
        gateway=FRAMING + "test_fewer_octets_than_the_length_are_an_incomplete_response",
    ),
    "33": Row(
        "9112 6.3: octets after the end of a response are no response, and never sent on",
        "G",
        gateway="tests/forward/test_attacks_connections.py::test_an_extra_response_is_nobodys",
        peers="both drop them, and the next response is right",
    ),
    "34": Row(
        "9112 7: the names of codings have no case",
        "OG",
        origin=ORIGIN_RULES + "test_the_name_of_the_coding_has_no_case",
        gateway=FRAMING + "test_the_name_of_the_coding_has_no_case",
    ),
    "35": Row(
        "9112 7.1: every accepted vector goes through",
        "G",
        gateway=BODIES + "test_every_accepted_vector_goes_through_both_ways",
    ),
    "36": Row(
        "9112 7.1: no overflow on large sizes",
        "G",
        gateway=BODIES + "test_no_size_overflows",
        peers="HAProxy refuses from 2^52, nginx at 2^63-1",
    ),
    "37": Row(
        "9112 7: `chunked;x=y` in Transfer-Encoding is an error",
        "OG",
        origin=ORIGIN_RULES + "test_a_parameter_of_the_coding_is_refused",
        gateway=FRAMING + "test_a_parameter_of_the_coding_is_refused",
    ),
    "38": Row(
        "9112 7.1: an empty write must not emit 0 CRLF CRLF; a chunk has >= 1 octet",
        "O",
        origin=ORIGIN_RESPONDER + "test_an_empty_chunk_is_refused_and_sends_nothing",
    ),
    "39": Row(
        "9112 7.1: normal end: exactly one last-chunk and the empty line; abnormal end: none",
        "O",
        origin=ORIGIN_RESPONDER + "test_an_exception_ends_that_exchange_only",
    ),
    "40": Row(
        "9112 7.1.1: an unknown ext changes nothing",
        "G",
        gateway=BODIES + "test_an_unknown_ext_changes_nothing_and_goes_through",
    ),
    "41": Row(
        "9112 7.1.1: ext in requests is limited: 4xx over it",
        "OG",
        origin=ORIGIN_RULES + "test_an_extension_over_the_limit_gets_400",
        gateway=BODIES + "test_an_ext_in_a_request_is_limited",
    ),
    "42": Row(
        "9110 5.6.3: MUST NOT send BWS: none in ext written, none relayed",
        "OG",
        origin=ORIGIN_RESPONDER + "test_an_ext_out_of_the_grammar_never_leaves",
        gateway=BODIES + "test_a_blank_around_an_ext_is_not_relayed",
        peers="nginx, HAProxy and http.client take nearly all of it; llhttp refuses all",
    ),
    "43": Row(
        "9110 5.6.4: quoted-string has no CR, LF, NUL, CTL, DEL; quoted-pair handled",
        "OG",
        origin=ORIGIN_RESPONDER + "test_an_ext_out_of_the_grammar_never_leaves",
        gateway=BODIES + "test_a_control_octet_in_a_quoted_ext_is_refused",
        peers="nginx, HAProxy, Go, curl, http.client and h11 take a CRLF in quotes for a line end",
    ),
    "44": Row(
        "9110 6.5.1: MUST NOT merge trailers into the head",
        "G",
        gateway=BODIES + "test_trailers_are_never_merged_into_the_head",
    ),
    "45": Row(
        "9110 6.5.1: MUST NOT send framing, routing, auth, control or content-format fields as trailers",
        "O",
        origin=ORIGIN_RESPONDER + "test_what_must_not_reach_the_head_or_trailers_does_not",
    ),
    "46": Row(
        "9110 6.6.2: name planned trailers in a Trailer field",
        "O",
        origin=ORIGIN_RESPONDER + "test_trailers_are_announced_and_follow_the_last_chunk",
    ),
    "47": Row(
        "9110 6.5.1: SHOULD NOT depend on trailers being received",
        "O",
        origin=ORIGIN_RULES + "test_a_request_is_served_the_same_with_and_without_trailers",
    ),
    "48": Row(
        "9112 7.4, 9110 10.1.4: TE goes with `Connection: TE`, and asks for trailers only if the client did",
        "G",
        gateway=FIELDS + "test_te_goes_up_as_the_gateways_own_and_for_trailers_only",
    ),
    "49": Row(
        "9112 8: no last-chunk: incomplete, and closed without one",
        "G",
        gateway=BODIES + "test_a_body_without_its_last_chunk_stays_without_one",
        peers="both end with FIN and no last-chunk",
    ),
}
