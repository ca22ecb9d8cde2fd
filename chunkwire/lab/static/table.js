// The frames of one ladder as a table, `ROWS` at a time. The first moment is in ms since the request, at the first point
// that saw the frames (`Stream.base`). The other moments are in ms since the first.

import { byId, makeRow } from "./dom.js";
import { signed } from "./model.js";

const ROWS = 25;

/** `select` takes a frame's index, an octet of the frame, and a lane's name. */
export function addTable({ lanes, select, plural }) {
  let from = 0;

  function cells(stream, n) {
    const frame = stream.base[n], gap = (moment) => moment === undefined ? "–" : signed(moment - frame.at);
    const read = stream.hadRead[n], shares = read && (stream.hadRead[n - 1] === read || stream.hadRead[n + 1] === read);
    const name = frame.isLast ? "last-chunk" : frame.broken ? "not a frame" : String(frame.n);
    return [name, frame.line ?? "", (frame.at - stream.start).toFixed(2), gap(stream.passAt[n]), gap(stream.hadAt[n]),
      read ? `${read}${shares ? ", shared" : ""}` : "–"];
  }

  function show() {
    if (!byId("table-box").open) return;
    const lane = byId("table-lane").value, { stream } = lanes[lane];
    const count = stream?.base.length ?? 0;
    from = Math.max(0, Math.min(from, count - 1));
    const upto = Math.min(from + ROWS, count);
    byId("table-range").textContent = count ? `frames ${from + 1} to ${upto} of ${count.toLocaleString("en")}` : plural(0, "frame");
    byId("table-back").disabled = from === 0;
    byId("table-on").disabled = upto >= count;
    const rows = [];
    for (let n = from; n < upto; n++) {
      const row = makeRow(cells(stream, n));
      row.addEventListener("click", () => select(n, 0, lane));
      rows.push(row);
    }
    byId("table-rows").replaceChildren(...rows);
  }

  byId("table-box").addEventListener("toggle", show);
  byId("table-lane").addEventListener("change", show);
  byId("table-back").addEventListener("click", () => { from -= ROWS; show(); });
  byId("table-on").addEventListener("click", () => { from += ROWS; show(); });
  return { show };
}
