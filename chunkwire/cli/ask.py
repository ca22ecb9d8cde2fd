"""`chunkwire ask`: the answer endpoint in front of providers of language models."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from chunkwire.cli import flags

if TYPE_CHECKING:
    import trio

    from chunkwire.ask.relay import Relay
    from chunkwire.cli.serving import Place
    from chunkwire.net.listen import Address
    from chunkwire.net.pool import Pool

DEFAULT_ADDRESS = "127.0.0.1:8082"

SUMMARY = "an answer endpoint: tokens of language models as they are made, providers in failover order"
EPILOG = """\
A provider is NAME=DIALECT:URL#MODEL; DIALECT is openai, openai-responses, azure, anthropic, gemini or bedrock.
  Its key is read from the environment variable NAME_API_KEY; for `my-ai=…` that is MY_AI_API_KEY.
  The dialect's path is appended to the URL's path, unless that ends with it; the URL's query is sent too:
  az=azure:https://mine.openai.azure.com?api-version=2025-04-01-preview#deployment

A question is ?q=, a form, or JSON with messages, temperature, top_p, stop, max_tokens, model, tools, tool_choice and
  max_time. If a provider fails before the caller has got anything of its answer, the next provider is asked. A failure
  that the question itself caused is returned to the caller, and no breaker counts it; a provider that refuses an
  optional parameter is first asked again without it. POST /v1/chat/completions takes and gives OpenAI's form:
  base_url=http://127.0.0.1:8082/v1

examples:
  chunkwire serve &                                        mocks of all dialects, no key needed
  chunkwire ask a=openai:http://localhost:8081#m b=anthropic:http://localhost:8081#m
  curl -sN 'localhost:8082/ask?q=Say+hello'                 server-sent events: data: {"t":"Say"}
  curl -sN 'localhost:8082/ask?q=Say+hello&format=jsonl'    one line of JSON per token
  curl -s 'localhost:8082/ask?q=Say+hello&stream=false'    one body
  curl -s localhost:8082/v1/chat/completions \\
      -d '{"messages":[{"role":"user","content":"hi"}]}'    OpenAI's form
  curl -s localhost:8082/providers                         who answers, and which breaker is open"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the endpoint's flags."""
    add = parser.add_argument
    add("providers", nargs="+", metavar="PROVIDER", help="NAME=DIALECT:URL#MODEL, in failover order")
    flags.add_listen(parser, DEFAULT_ADDRESS)
    # `run_server` reads these; ask has no such flags.
    parser.set_defaults(workers=1, worker=None, save=None, stamps=None)
    flags.add_certificate(parser)
    add("--model", default="", metavar="NAME", help="the model of providers that name none")
    add("--system", default="", metavar="TEXT", help="the system message of every conversation")
    tokens = "the most tokens of an answer, where its caller sets no limit"
    add("--max-tokens", type=flags.count, metavar="N", help=tokens)
    reasoning = "do not pass on what models think before they answer; --audit counts it"
    add("--no-reasoning", dest="passes_reasoning", action="store_false", help=reasoning)
    flags.add_cors(parser)
    add("--admin", metavar="ADDR", help="serve /metrics and /healthz there")
    add("--audit", metavar="FILE", help="append one line of JSON per request to FILE; - is standard output")
    add("--cafile", metavar="FILE", help="trust the certificates in FILE instead of the system's")
    add("-k", "--insecure", action="store_true", help="do not verify the providers' certificates")
    add_limits(parser)


def add_limits(parser: argparse.ArgumentParser) -> None:
    """Add the timeouts, and the limits of load."""
    flags.add_each(
        parser.add_argument_group("patience (`off` is without end)"),
        ("connect-timeout", flags.timeout, "10s", "the longest time to connect to a provider"),
        ("first-token-timeout", flags.timeout, "60s", "the longest wait for the first token, also of reasoning"),
        ("idle-timeout", flags.timeout, "60s", "after the first token, the longest time without an octet"),
        ("max-time", flags.timeout, "off", "the longest time for a whole answer; max_time of a request may be less"),
        ("queue-timeout", flags.timeout, "30s", "the longest wait until a provider has room for the question"),
        ("breaker-cooldown", flags.timeout, "10s", "time a breaker is open; a Retry-After opens it at once"),
        ("keep-alive", flags.timeout, "15s", "send a caller a keep-alive after this time without an octet"),
        ("send-timeout", flags.timeout, "30s", "the longest time in which a caller takes no octet"),
        ("grace", flags.grace, "10s", "how long answers may go on after Ctrl-C or SIGTERM; 0: not at all"),
        ("attempts", flags.count, "2", "most requests to one provider; no retry after a Retry-After"),
        ("breaker-failures", flags.count, "5", "failures in a row that open a provider's breaker"),
    )
    flags.add_each(
        parser.add_argument_group("overload"),
        ("max-streams", flags.count, "1000", "answers from one provider at once; further questions wait"),
        ("max-waiting", flags.whole_number, "1000", "questions in a provider's queue; all full: 503"),
        ("retry-share", flags.share, "0.2", "retries that each question allows, in addition to 1 a second; 0: none"),
    )


def run(options: argparse.Namespace) -> int:
    """Serve until Ctrl-C or SIGTERM; then finish the answers that have begun, for at most `--grace`."""
    from chunkwire.ask.answering import Answers, AskSettings
    from chunkwire.ask.counts import AskMetrics
    from chunkwire.ask.endpoint import ask_resources
    from chunkwire.cli.output_files import check_outputs, files_read, lines_to
    from chunkwire.cli.serving import run_server
    from chunkwire.net.pool import Pool
    from chunkwire.server.serving import serve
    from chunkwire.server.settings import ServerSettings

    settings = flags.settings_of(ServerSettings, options, cors=frozenset(options.cors))
    ask_settings = flags.settings_of(AskSettings, options)
    check_outputs(options, ["audit"], files_read(options))
    pool = Pool()
    relay = _relay(options, pool)

    async def server(place: Place, *, task_status: trio.TaskStatus[list[Address]]) -> None:
        audit = lines_to("audit", options.audit, str, is_flushed=True, is_added_to=True)
        with audit as write_audit, pool:
            await serve(
                place.address,
                ask_resources(Answers(relay, ask_settings, write_audit=write_audit)),
                settings=settings,
                admin=place.admin,
                metrics=AskMetrics(relay),
                certificate=place.certificate,
                handle_signals=True,
                task_status=task_status,
            )

    return run_server(options, "ask", server)


def _relay(options: argparse.Namespace, pool: Pool) -> Relay:
    """Return the relay to the providers that the flags name.

    Raises:
        LocalError: a provider is wrong, or two have one name.
    """
    from chunkwire.ask.attempt import Patience
    from chunkwire.ask.breaker import Breaker
    from chunkwire.ask.overload import ProviderGate, RetryBudget
    from chunkwire.ask.providers import check_names, parse_provider
    from chunkwire.ask.relay import Relay
    from chunkwire.net.tls import make_tls

    providers = [
        parse_provider(
            spec,
            os.environ,
            model=options.model,
            gate=ProviderGate(
                Breaker(failures=options.breaker_failures, cooldown=options.breaker_cooldown),
                most=options.max_streams,
                most_waiting=options.max_waiting,
            ),
        )
        for spec in options.providers
    ]
    check_names(providers)
    has_https = any(provider.url.scheme == "https" for provider in providers)
    return Relay(
        providers,
        flags.settings_of(Patience, options),
        budget=RetryBudget(options.retry_share),
        tls=make_tls(options.cafile, verify=not options.insecure) if has_https else None,
        pool=pool,
        passes_reasoning=options.passes_reasoning,
    )
