"""`chunkwire ask --audit -`: audit lines alone on standard output, the log alone on standard error."""

import json

from tests.peers.command import serving
from tests.peers.process import Reader, run


def test_the_audit_is_on_standard_output_and_the_log_on_standard_error() -> None:
    with serving("serve") as model, serving("ask", f"a=openai:{model.url('')}#m", "--audit", "-") as served:
        run(["curl", "-s", *(served.url(f"/ask?q={word}&stream=false") for word in ("one", "two"))])
        served.process.terminate()
        printed = Reader(served.process.stdout, whose="ask").rest().decode().splitlines()
    assert [json.loads(line)["form"] for line in printed] == ["json", "json"]
    ids = {json.loads(line)["id"] for line in printed}
    assert sum(bool(ids & set(line.split())) for line in served.log) == 2
