"""One workshop for all the smoke runs: programs are compiled once, and nothing is left in the user's cache."""

from collections.abc import Iterator

import pytest

from bench.workshop import Workshop, open_workshop


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    with pytest.MonkeyPatch.context() as patch, open_workshop() as opened:
        patch.setattr(type(opened), "peer_python", lambda self: pytest.fail("a smoke run installs nothing"))
        yield Workshop(opened.folder, tmp_path_factory.mktemp("cache"), opened.cores)
