"""`--barrier` and content codings: what the state says of content that is not decoded."""

import json

import pytest

from tests.forward.test_barrier import HELD, ID, NAMED, ask
from tests.forward.wire import answer, forwarding, get


@pytest.mark.parametrize("coding", ["br", "gzip"])
async def test_the_state_says_that_octets_of_an_unknown_or_broken_coding_are_not_counted(coding: str) -> None:
    """Fails where a probe would take such a frame, of no octets as it seems, for one that has come."""
    state = get(target=f"/probe/state?barrier={ID}&beyond=0".encode())
    async with forwarding(settings=HELD) as gateway, gateway.connect(get(NAMED, target=b"/")) as client:
        async with gateway.asked() as upstream:
            await upstream.send(
                answer(f"Content-Encoding: {coding}".encode(), b"Content-Length: 30") + b"not of a coding"
            )
            await client.read_head()
            _, content = await ask(gateway, state)
    known = json.loads(content)
    assert (known["written"], known["octets"]) == (1, 0)
    assert known["undecoded"].startswith({"br": "br is not decoded", "gzip": "the gzip data is broken"}[coding])
