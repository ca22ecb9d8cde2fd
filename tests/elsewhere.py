"""A program of its own for one test: chunkwire on a system that has only what Python has everywhere.

Modules and names of Linux, and of POSIX, are taken away before chunkwire is imported; trio and the standard library
keep theirs, as they choose by system themselves. Sockets are no file descriptors, as on Windows. It says on stdout
what happened.
"""

import importlib
import io
import os
import pkgutil
import select
import signal
import socket
import stat
import sys
import time
import types
from contextlib import redirect_stdout
from functools import partial

import trio

from tests.patience import PATIENCE

MODULES = ("fcntl", "grp", "pty", "pwd", "resource", "syslog", "termios", "tty")
# What a server might want and the standard library does not have on Windows, by how the names begin.
NAMES: dict[types.ModuleType, str] = {
    select: "EPOLL POLL epoll poll kqueue kevent",
    socket: "SO_REUSEPORT SO_INCOMING_CPU SO_PRIORITY SO_MARK AF_NETLINK AF_PACKET TCP_ SCM_ MSG_DONTWAIT MSG_NOSIGNAL",
    os: "O_NONBLOCK O_CLOEXEC O_DIRECTORY readv writev pread pwrite sched_ SCHED_ fork wait eventfd pidfd_open "
    "sendfile splice memfd_create killpg getuid geteuid getpgid setsid uname sysconf set_blocking get_blocking posix_",
    signal: "SIGHUP SIGQUIT SIGKILL SIGUSR SIGPIPE SIGALRM SIGCHLD SIGSTOP SIGTSTP SIGCONT SIGWINCH setitimer pthread_ "
    "sigwait sigtimedwait alarm pause",
    time: "CLOCK_ clock_ pthread_getcpuclockid tzset",
}


def import_all() -> None:
    """Import every module of the package but the one that only Linux has a use for."""
    import chunkwire

    for module in pkgutil.walk_packages(chunkwire.__path__, "chunkwire."):
        if module.name not in ("chunkwire.__main__", "chunkwire.net.fastmover"):
            importlib.import_module(module.name)


def forget_all() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "chunkwire"]:
        del sys.modules[name]


def take_away() -> None:
    """Leave to chunkwire what every system has; whoever has been imported keeps a copy of what there was."""
    for source in NAMES:
        copy = types.ModuleType(source.__name__)
        vars(copy).update(vars(source))
        for module in [*sys.modules.values()]:
            for name, value in [*vars(module).items()]:
                if value is source and module.__name__ != "__main__":
                    setattr(module, name, copy)
    for source, starts in NAMES.items():
        for name in [name for name in vars(source) if name.startswith(tuple(starts.split()))]:
            delattr(source, name)
    sys.modules.update(dict.fromkeys(MODULES))  # type: ignore[arg-type]  # None: importing it is an ImportError
    os.read, os.write = partial(no_socket, os.read), partial(no_socket, os.write)  # type: ignore[assignment]


def no_socket(call: object, descriptor: int, *arguments: object) -> object:
    assert callable(call)
    if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
        raise OSError("a socket is no file descriptor here")
    return call(descriptor, *arguments)


async def main() -> None:
    from chunkwire.cli.main import main as command
    from chunkwire.forward.gateway import default_mover, serve_gateway
    from chunkwire.forward.upstreams import Upstream
    from chunkwire.net.dial import parse_url
    from chunkwire.net.listen import Address
    from chunkwire.origin.resources import origin_resources
    from chunkwire.server.serving import serve

    here = Address("127.0.0.1", 0)
    say(type(default_mover(50e-6)).__name__)
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            [origin] = await nursery.start(partial(serve, here, origin_resources(), handle_signals=True), name="origin")
            upstream = Upstream(parse_url(f"http://{origin}"))
            [gateway] = await nursery.start(partial(serve_gateway, here, [upstream], admin=here), name="gateway")
            for where in (origin, gateway):
                for target in ("/frames?plan=5@0,6:a=1@20,0@40&text=hello+world", "/fault/cut?n=2&at=1", "/echo"):
                    words = ["watch", "--raw", f"http://{where}{target}", *(["-d", "there"] * (target == "/echo"))]
                    say(await trio.to_thread.run_sync(watched, command, words))
            nursery.cancel_scope.cancel()


def watched(command: object, words: list[str]) -> str:
    assert callable(command)
    with redirect_stdout(io.TextIOWrapper(io.BytesIO(), "utf-8", newline="", write_through=True)) as out:
        code = command(words)
    out.seek(0)
    return f"{code} {out.read()!r}"


def say(line: str) -> None:
    sys.__stdout__.write(line + "\n")  # type: ignore[union-attr]


if __name__ == "__main__":
    import_all()  # once as it is, so that the modules of others are loaded
    forget_all()
    take_away()
    sys.platform, os.name = "elsewhere", "nt"
    import_all()
    os.name = "posix"  # what chunkwire asks for at run time is asked of what is there
    trio.run(main)
    from chunkwire.cli.main import main as command

    say(watched(command, ["demo", "--no-color", "-n", "2"])[:2])
    say(watched(command, ["serve", "--workers", "2", "-l", ":0"]))
