"""What public suites and bug reports found at our servers, each kind with the tests that hold it."""

from __future__ import annotations

from typing import Final

from tests.rules.table import Row, Rows

BOTH = "tests/forward/test_heads_at_both.py::"
BODIES = "tests/forward/test_attacks_bodies.py::"
FRAMING = "tests/forward/test_rules_framing.py::"

SUITES: Final[Rows] = {
    "a refused HEAD": Row(
        "9110 9.3.2: no content to HEAD, whatever of it is refused; Content-Length is that of the answer to a GET",
        "OG",
        origin=BOTH + "test_a_refused_head_gets_no_content",
        gateway=BOTH + "test_a_refused_head_gets_no_content",
        peers="nginx 1.22 and node 20 send none; Go 1.19 sends content",
    ),
    "host grammar": Row(
        "9112 3.2, 3986 3.2.2: uri-host [ : port ] in Host and in an absolute target; no zone, no userinfo",
        "OG",
        origin=BOTH + "test_a_host_is_judged_by_its_grammar",
        gateway=BOTH + "test_a_host_is_judged_by_its_grammar",
        peers="nginx refuses `:80` and an empty Host, node and Go no host; all three take `[::::1]` and `a%zz`",
    ),
    "misdirected": Row(
        "9110 7.4: a target of the other scheme gets 421",
        "OG",
        origin=BOTH + "test_a_target_of_another_scheme_gets_421",
        gateway=BOTH + "test_a_target_of_another_scheme_gets_421",
        peers="nginx, node and Go answer 200",
    ),
    "target octets": Row(
        "9112 3.2, 3986 3.3: octets that no target has get 400, and the text says how they are written",
        "OG",
        origin=BOTH + "test_a_target_out_of_the_grammar_gets_400",
        gateway=BOTH + "test_a_target_out_of_the_grammar_gets_400",
        peers="all take them raw; of a broken `%` nginx and Go refuse one in the path; node refuses raw UTF-8",
    ),
    "codings over lines": Row(
        "9110 5.3, 9112 6.1: Transfer-Encoding lines are one list: 501 for another coding, 400 for chunked twice",
        "OG",
        origin=BOTH + "test_codings_are_judged_as_one_list",
        gateway=BOTH + "test_codings_are_judged_as_one_list",
        peers="Go 501 and nginx 400 to two lines, node takes gzip, chunked; `chunked,`: 501, 501 and 400",
    ),
    "mixed line ends": Row(
        "9112 2.2: bare LF ends the lines of a head only where it ends the request-line, and then all of them",
        "OG",
        origin=BOTH + "test_a_head_with_line_ends_of_two_kinds_gets_400",
        gateway=BOTH + "test_a_head_with_line_ends_of_two_kinds_gets_400",
        peers="nginx and Go take each line as it ends, node no bare LF",
    ),
    "trailers that mislead nobody": Row(
        "9110 6.5.1: response control in a trailer is relayed; what frames, routes or authenticates is refused",
        gateway=BODIES + "test_a_trailer_that_misleads_nobody_goes_on_as_it_is",
        peers="curl, node and Go read Expires, Date and Cache-Control as trailers",
    ),
    "a 101 that was not asked for": Row(
        "9110 7.8: a 101 names a protocol that the client asked for, or it is 502",
        gateway="tests/forward/test_rules_fields.py::test_a_101_to_what_was_not_asked_for_is_refused",
    ),
    "no body by rule 1": Row(
        "9112 6.3: HEAD, 204 and 304 have no body, whatever their codings are",
        gateway=FRAMING + "test_no_coding_refuses_a_response_without_a_body",
    ),
    "a 103 and then FIN": Row(
        "9112 9.3.1: a request is sent again only where a kept connection gave not one octet",
        gateway="tests/forward/test_upstreams.py::test_a_kept_connection_that_sent_a_1xx_is_not_replaced",
    ),
    "an early answer to a long upload": Row(
        "9112 9.6: the close outlasts a client that still sends, bounded by time and by rate",
        "OG",
        origin="tests/real/test_early_answers.py::test_a_413_survives_a_client_that_sends_200_mb_before_it_reads",
        gateway="tests/real/test_early_answers.py::test_a_413_survives_a_client_that_sends_200_mb_before_it_reads",
    ),
    "echo in one send": Row(
        "chunks of a request that came together go back together, each as it was",
        "O",
        origin="tests/origin/test_resources.py::test_echo_sends_chunks_that_came_together_in_one_send",
    ),
    "a FIN in an event stream": Row(
        "9112 9.6: a FIN alone is a half-close unless --on-client-fin cancel; the log says so once",
        gateway="tests/forward/test_faults_clients.py::"
        "test_a_fin_in_an_event_stream_is_logged_once_and_the_stream_goes_on",
    ),
}
