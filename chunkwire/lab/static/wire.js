// The octets of one frame: coloured and named parts, hex and text, one octet selected in all of them.

import { byId, make } from "./dom.js";
import { clauses, sectionUrl } from "./clauses.js";
import { wireOf } from "./model.js";

const MAX_SHOWN = 1024; // octets of a frame that have elements of their own
const NAMES = { 0: "NUL", 9: "TAB", 10: "LF", 13: "CR", 32: "blank", 127: "DEL" };

export const hex = (octet) => octet.toString(16).padStart(2, "0");
const letter = (octet) => octet > 32 && octet < 127 ? String.fromCharCode(octet) : { 10: "\\n", 13: "\\r", 32: "␣", 9: "\\t" }[octet] ?? "·";
const named = (octet) => NAMES[octet] ?? (octet > 32 && octet < 127 ? `“${String.fromCharCode(octet)}”` : octet > 127 ? "not ASCII" : "control");

export class Wire {
  constructor({ onOctet, onLeave }) {
    this.box = byId("octets");
    this.onOctet = onOctet;
    this.onLeave = onLeave;
    this.octet = -1;
    this.total = 0;
    this.box.addEventListener("click", (event) => {
      const cell = event.target.closest("[data-b]");
      if (cell) onOctet(Number(cell.dataset.b));
    });
    this.box.addEventListener("keydown", (event) => this.key(event));
    this.box.replaceChildren();
  }

  key(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: this.columns, ArrowUp: -this.columns }[event.key];
    let to = step === undefined ? { Home: 0, End: this.total - 1 }[event.key] : this.octet + step;
    if (to === undefined || !this.total) return;
    event.preventDefault();
    if (to < 0 && step === -1) return this.onLeave(-1);
    if (to >= this.total && step === 1) return this.onLeave(1);
    this.onOctet(Math.min(this.total - 1, Math.max(0, to)));
  }

  get columns() {
    return matchMedia("(max-width: 640px)").matches ? 8 : 16;
  }

  /** Show a frame, or nothing; `octet` is the offset of the one that is selected. */
  show(frame, octet) {
    if (!frame) {
      this.frame = null;
      this.total = 0;
      this.box.replaceChildren();
      byId("parts").replaceChildren();
      return this.describe(-1);
    }
    if (this.frame !== frame || this.shownColumns !== this.columns || this.trailers !== frame.trailers) this.fill(frame);
    this.describe(Math.min(octet, this.total - 1));
  }

  fill(frame) {
    this.frame = frame;
    this.trailers = frame.trailers;
    const { octets, parts } = wireOf(frame);
    Object.assign(this, { octets, parts, total: octets.length, shownColumns: this.columns });
    const partOf = new Array(octets.length);
    parts.forEach((part) => partOf.fill(part, part.from, part.to));
    this.partOf = partOf;
    const rows = [];
    for (let from = 0; from < Math.min(octets.length, MAX_SHOWN); from += this.columns) rows.push(this.rowOf(from));
    if (octets.length > MAX_SHOWN || frame.cut) {
      const left = Math.max(octets.length, frame.size ?? 0) - Math.min(octets.length, MAX_SHOWN);
      const textContent = `… and ${left.toLocaleString("en")} octets more; of long frames the page is given the first 4096`;
      rows.push(make("p", { className: "hint", textContent }));
    }
    this.box.replaceChildren(...rows);
    byId("parts").replaceChildren(...parts.map((part) => {
      const count = part.to - part.from, textContent = `${clauses[part.name].name} · ${count} octet${count > 1 ? "s" : ""}`;
      const button = make("button", { type: "button", className: `p-${part.name}`, textContent });
      button.addEventListener("click", () => this.onOctet(part.from));
      return make("li", {}, button);
    }));
  }

  rowOf(from) {
    const offset = make("span", { className: "offset", textContent: from.toString(16).padStart(4, "0") });
    const codes = make("span", { className: "codes" }), letters = make("span", { className: "letters" });
    for (let b = from; b < Math.min(from + this.columns, this.octets.length, MAX_SHOWN); b++) {
      const part = this.partOf[b];
      for (const [box, text] of [[codes, hex(this.octets[b])], [letters, letter(this.octets[b])]]) {
        const className = `o p-${part.name}${b === part.from ? " begins" : ""}${text.length > 1 && box === letters ? " pair" : ""}`;
        box.append(make("span", { className, textContent: text }));
        box.lastChild.dataset.b = b;
      }
    }
    return make("div", { className: "hexrow" }, offset, codes, letters);
  }

  /** Select an octet in hex and text, and name it. */
  describe(octet) {
    for (const cell of this.box.querySelectorAll(".here")) cell.classList.remove("here");
    this.octet = octet;
    const { box } = this;
    box.setAttribute("aria-valuemax", Math.max(0, this.total - 1));
    box.setAttribute("aria-valuenow", Math.max(0, octet));
    const part = octet >= 0 ? this.partOf[octet] : null;
    const clause = part ? clauses[part.name] : null;
    byId("part-name").textContent = clause ? clause.name : "no octet chosen";
    byId("part-name").className = `part-name${part ? ` p-${part.name}` : ""}`;
    byId("part-text").textContent = clause?.text ?? "";
    byId("part-rule").textContent = clause?.rule ?? "";
    byId("part-section").replaceChildren();
    byId("part-octet").textContent = "";
    if (!clause) return box.setAttribute("aria-valuetext", "no frame chosen");
    const value = this.octets[octet];
    const what = `octet ${octet} of ${this.total}: ${hex(value)}, ${named(value)}`;
    byId("part-octet").textContent = `${what}; ${octet - part.from + 1} of ${part.to - part.from} of this part`;
    const href = sectionUrl(clause.section), textContent = `RFC 9112 §${clause.section}`;
    byId("part-section").append(make("a", { href, rel: "noopener noreferrer", target: "_blank", textContent }));
    box.setAttribute("aria-valuetext", `${what}, in ${clause.name}, RFC 9112 section ${clause.section}`);
    for (const cell of box.querySelectorAll(`[data-b="${octet}"]`)) cell.classList.add("here");
  }
}
