"""`chunkwire check` as its users run it: exit codes, files, bad input, and nothing left running."""

import errno
import json
import os
import signal
import socket
from collections.abc import Generator
from pathlib import Path
from xml.etree import ElementTree

import pytest
import trio

from chunkwire.cli.main import main
from chunkwire.tools.check.client.command import CommandRun, run_command
from tests.patience import PATIENCE
from tests.peers.command import CHUNKWIRE, chunkwire, serving
from tests.peers.plain import accepting
from tests.peers.process import Reader, listening_socket, started

Captured = pytest.CaptureFixture[str]
CURL = ("--", "curl", "-sSN", "{url}")


@pytest.fixture
def held(tmp_path: Path) -> Generator[Reader, None, None]:
    """Give the reading end of `tmp_path / "held"`: it ends when no process has that pipe open any more."""
    os.mkfifo(tmp_path / "held")
    with open(os.open(tmp_path / "held", os.O_RDONLY | os.O_NONBLOCK), "rb", 0) as pipe:
        yield Reader(pipe, whose="the command under check")


def line_of(capsys: Captured, *words: str) -> tuple[int, str]:
    """Return the exit code of a command that is refused, and its one line."""
    code = main(["check", *words])
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = said.err.splitlines()
    return code, line


@pytest.mark.needs("curl")
def test_curl_is_judged_and_what_it_waits_for_stays_open() -> None:
    done = chunkwire("check", "client", "--only", "cut,stall,9112/6.2", "--patience", "1s", *CURL)
    text = done.stdout.decode()
    assert done.returncode == 0
    assert "open  refuses stall" in text
    assert "3 rows: 2 passed, 1 undecided" in text


@pytest.mark.needs("curl")
@pytest.mark.parametrize("command, is_reported", [("curl -sSN {url} | wc -c", True), ("curl -sSN {url}", False)])
def test_a_command_whose_output_proves_nothing_is_reported(command: str, is_reported: bool) -> None:
    done = chunkwire("check", "client", "--only", "tiny", "--", command)
    assert done.returncode == 0
    assert (b"so its exit code alone is judged" in done.stderr) is is_reported
    aware = chunkwire("check", "client", "--only", "tiny", "--stdout", "ignore", "--", command)
    assert aware.stderr == b""


@pytest.mark.needs("curl")
def test_a_client_that_accepts_a_cut_as_whole_fails_and_the_files_say_so(tmp_path: Path) -> None:
    names = [str(tmp_path / name) for name in ("card.json", "card.xml", "card.html")]
    files = ("--json", names[0], "--junit", names[1], "--html", names[2])
    done = chunkwire("check", "client", "--only", "cut,tiny", *files, "--", "curl -sN {url} || true")
    assert done.returncode == 1
    assert "FAIL  refuses cut" in done.stdout.decode()
    card, suites = json.loads(Path(names[0]).read_text()), ElementTree.parse(names[1]).getroot()
    assert [(row["id"], row["outcome"]) for row in card["rows"]] == [("9112/7.1/4", "pass"), ("9112/8/1", "fail")]
    assert suites[0].get("failures") == "1"
    assert "FAIL" in Path(names[2]).read_text()


@pytest.mark.needs("curl")
def test_a_run_in_which_nothing_was_decided_is_a_timeout() -> None:
    done = chunkwire("check", "client", "--only", "stall", "--patience", "1s", "--json", "-", *CURL)
    assert done.returncode == 28
    assert json.loads(done.stdout)["rows"][0]["outcome"] == "undecided"


@pytest.mark.parametrize(
    "words, says",
    [
        (("client", "--", "no-such-program"), "cannot start 'no-such-program': no such file or directory"),
        (("client", "--", "no-such-program {url}"), "fails with a plain response: exit 127"),
        (("client", "--", ""), "cannot start ''"),
        (("client", "--", "kill -SEGV $$; : {url}"), "ended by SIGSEGV"),
        (("client", "--", "true"), "did not ask: give it {url}, or let it read CHUNKWIRE_URL"),
        (
            ("client", "--", "sh", "-c", "echo boom >&2; exit 3"),
            "exit 3: boom; it made no request: give it {url}, or let it read",
        ),
        (("client", "curl", "-sN", "{url}"), "unknown flag -sN; put -- in front of the command"),
        (("client",), "expected a command after --"),
        (("client", "curl"), "expected {url} among the arguments, such as: curl {url}"),
        (
            ("client", "--", "/usr/bin/wget", "-qO-"),
            "expected {url} among the arguments, such as: /usr/bin/wget -qO- {url}",
        ),
        (("client", "--", "curl -sSN > /dev/null"), "expected {url} among the arguments"),
        (("client", "--", "curl {url} --no-such-flag"), "fails with a plain response"),
        (("client", "--", "curl $CHUNKWIRE_URL --no-such-flag"), "fails with a plain response"),
        (("client", "--as", "opnai", *CURL), "got 'opnai'; did you mean openai?"),
        (("client", "--only", "ct", *CURL), "no row 'ct'; did you mean cut?"),
        (
            ("client", "--json", "no/such/folder/x", *CURL),
            "--json no/such/folder/x: there is no directory no/such/folder",
        ),
        (("client", "-j", "0", *CURL), "expected 1 or more"),
        (("server",), "expected the URL of a server"),
        (("server", "ftp://x/"), "expected http://, https://"),
        (("server", ":1/", "-d", "x"), "expected a body of 2 octets or more"),
        (("server", ":1/", "-H", "Expect: x"), "expected no Expect: the rows send their own"),
        (("proxy", ":1/", "--upstream", ":2", "-H", "TE: x"), "expected no TE: the rows send their own"),
        (("proxy", ":1/", "--upstream", ":2", "-H", "X"), '-H: expected "Name: value"'),
        (("proxy", ":1/", "--upstream", ":2", "-H", "X: 世"), "-H: expected Latin-1 in a request head, got '世'"),
        (("server", ":1/", "-H", "X: 世"), "-H: expected Latin-1 in a request head, got '世'"),
        (("proxy", ":1/", "--upstream", ":2", "-H", "X y: z"), '-H: expected a field name, got "X y"'),
        (("serve",), "after check, got 'serve'"),
    ],
)
def test_bad_input_gets_one_line_and_exit_code_2(words: tuple[str, ...], says: str, capsys: Captured) -> None:
    code, line = line_of(capsys, *words)
    assert code == 2
    assert says in line


def test_a_command_that_hangs_is_killed_with_all_that_it_started(
    tmp_path: Path, held: Reader, capsys: Captured
) -> None:
    script = f"exec 9> {tmp_path}/held; echo started >&9; sleep 300 & sleep 300"
    code, line = line_of(capsys, "client", "--patience", "1s", "--", script)
    assert code == 2
    assert "does not end in time" in line
    assert held.rest() == b"started\n"


async def run_within(line: str, **options: float) -> CommandRun:
    with trio.fail_after(PATIENCE):
        return await run_command([line], "http://x/", **options)


async def test_a_process_that_leaves_the_group_is_ended_too(tmp_path: Path, held: Reader) -> None:
    """It has the pipes of the command, in a session of its own, and so has what it starts."""
    line = f"exec 9> {tmp_path}/held; echo started >&9; setsid sh -c 'setsid sleep 300 & sleep 300' & echo hello"
    ended = await run_within(line)
    assert (ended.code, ended.stdout) == (0, b"hello\n")
    assert held.rest() == b"started\n"


async def test_a_process_that_drops_its_environment_does_not_hold_the_check_up() -> None:
    ended = await run_within("env -i setsid sleep 300 & echo hello; echo $!")
    hello, pid = ended.stdout.split()
    os.kill(int(pid), signal.SIGKILL)
    assert (ended.code, hello) == (0, b"hello")


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # it is still running
async def test_a_command_that_may_not_be_killed_does_not_hold_the_check_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sudo starts such a one: it belongs to another user."""
    groups: list[int] = []
    kill = os.kill

    def refuse(group: int, _: int) -> None:
        groups.append(group)
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "killpg", refuse)
    monkeypatch.setattr(os, "kill", refuse)
    ended = await run_within("sleep 300", patience=0.0)
    kill(groups[0], signal.SIGKILL)
    assert ended.code is None


@pytest.mark.needs("curl")
def test_ctrl_c_shows_what_was_judged_and_leaves_nothing_running(tmp_path: Path, held: Reader) -> None:
    hang = f"exec > {tmp_path}/held; echo; sleep 300"
    script = f"case $CHUNKWIRE_URL in */cut) {hang};; *) curl -sSN $CHUNKWIRE_URL;; esac"
    words = ("check", "client", "-j", "1", "--only", "tiny,cut", "--patience", "off", "--", script)
    with started([*CHUNKWIRE, *words]) as process:
        held.line()
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 130
        text = Reader(process.stdout, whose="check").rest().decode()
    assert "pass  takes tiny" in text
    assert "stopped before the last row" in text
    assert held.rest() == b""


def test_our_own_echo_passes_and_a_server_that_is_not_there_is_no_connection(capsys: Captured) -> None:
    with serving("serve") as origin:
        done = chunkwire("check", "server", origin.url("/echo"), "--only", "9112/7.1,9112/8", "--strict", "-j", "8")
    assert done.returncode == 0, done.stdout.decode()
    assert "passed" in done.stdout.decode()
    assert line_of(capsys, "server", origin.url("/echo")) == (
        7,
        f"chunkwire: 127.0.0.1:{origin.port} refused the connection",
    )


@pytest.mark.parametrize(
    "page", [b"The plain HTTP request was sent to HTTPS port", b"Client sent an HTTP request to an HTTPS server."]
)
def test_a_port_for_tls_is_not_judged_without_it(page: bytes, capsys: Captured) -> None:
    """What nginx and Go answer there is legal HTTP: most rows would pass."""

    def refuse(client: socket.socket) -> None:
        with client:
            client.recv(65536)
            client.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: %d\r\n\r\n%b" % (len(page), page))

    with accepting(refuse) as port:
        code, line = line_of(capsys, "server", f"http://127.0.0.1:{port}/")
    assert (code, line.endswith("https:// perhaps?")) == (2, True), line


def test_a_server_that_never_answers_gets_one_line(capsys: Captured) -> None:
    with listening_socket() as listener:
        port = listener.getsockname()[1]
        code, line = line_of(capsys, "server", f":{port}/", "--patience", "300ms")
    assert code == 28
    assert line == "chunkwire: expected a response head within 0.3 s, got none"


@pytest.mark.parametrize("kind, row", [("client", "9112/8/1"), ("server", "9112/7.1.1/1")])
def test_the_list_needs_neither_command_nor_url(kind: str, row: str, capsys: Captured) -> None:
    assert main(["check", kind, "--list", "--only", row]) == 0
    assert capsys.readouterr().out.startswith(f"{row}  must")
