// What is known of one stream: frames as the origin wrote and the gateway passed them, and this page's own reads.
// Moments are milliseconds on the page's clock, of a recording on its own; `start` is the request's.

export const HELD_MS = 15; // a frame that a hop kept longer than this was held; a loop on a busy machine may take some
export const MAX_FRAMES = 50_000; // kept at one point of a stream; what follows is counted only

const utf8 = new TextEncoder();

const latin1 = (text) => Uint8Array.from(text, (letter) => letter.charCodeAt(0) & 255);

/** A difference in ms with its sign; below 0 where two clocks disagree. */
export const signed = (ms) => `${ms < 0 ? "−" : "+"}${Math.abs(ms).toFixed(2)}`;

/** The data of a record as octets. */
function dataOf(record) {
  if (record.data_b64 !== undefined) return latin1(atob(record.data_b64));
  return utf8.encode(record.data ?? "");
}

/** Frames seen at one point, with the range of content that each carries. */
class Point {
  constructor(most) {
    this.most = most;
    this.frames = [];
    this.content = 0;
    this.count = 0;
    this.end = null;
  }

  add(record, at) {
    this.count++;
    if (record.kind === "trailers") {
      const last = this.frames[this.frames.length - 1];
      if (last) last.trailers = dataOf(record);
      return;
    }
    const from = this.content;
    this.content += record.partial ? dataOf(record).length : record.size;
    if (this.frames.length >= this.most) return;
    this.frames.push({
      n: record.n, at, line: record.line, size: record.size, from, to: this.content, read: record.read,
      record, partial: !!record.partial, cut: !!record.cut, trailers: null, isLast: record.kind === "frame" && record.size === 0,
    });
  }

  /** Take the end of the body; octets that no frame could be made of stand behind the last one. */
  close(record, at) {
    this.end = { ...record, at };
    const broken = dataOf(record);
    if (broken.length) this.frames.push({ n: this.frames.length + 1, at, broken, from: this.content, to: Infinity, record, isLast: false });
  }
}

export class Stream {
  constructor(label, most = MAX_FRAMES) {
    this.label = label;
    this.most = most;
    this.start = 0;
    this.origin = new Point(most);
    this.gateway = new Point(most);
    this.client = new Point(most); // of a recording; a browser knows reads only
    this.reads = []; // {t, to}: when this page had content up to `to`
    this.done = null; // {t, error}: how this page's reader ended
    this.had = 0; // octets of content that this page has
    this.passAt = []; // by frame of `base`
    this.hadAt = [];
    this.hadRead = []; // the read, from 1, that completed the frame; 0 for the last-chunk
    this.lines = [];
    this.head = null;
    this.longestHold = 0; // ms in the gateway, both moments on the server's clock; of a recording without one, to the client
    this.longest = 0; // ms from the origin to the client
    this.held = 0; // frames that took longer than HELD_MS
    this._pass = this._had = 0;
    this._gateway = this._read = 0;
    this.isFile = false;
  }

  /** The frames that lines begin at: the origin's, or where nobody saw the origin those of the next point. */
  get base() {
    return [this.origin, this.gateway, this.client].find((point) => point.frames.length)?.frames ?? this.origin.frames;
  }

  /** How many of the frames are chunks; null for a body that is not chunked. */
  get chunks() {
    const data = this.base.filter((frame) => !frame.isLast && !frame.broken);
    return data.length && data.every((frame) => frame.line === undefined) ? null : data.length;
  }

  /** The status of an answer that is an error, "" for any other. */
  get error() {
    const [, status] = /^\S+ ([45]\d\d.*)$/.exec(this.head?.status_line ?? "") ?? [];
    return status ?? "";
  }

  /** Take a record of the server's, at its moment on the page's clock. */
  record(record, at, line) {
    if (this.lines.length < 4 * this.most) this.lines.push(line); // kept for saving
    const point = { "origin.sent": this.origin, "gateway.sent": this.gateway, "client.received": this.client }[record.point];
    if (!point || record.way !== "response") return;
    if (record.kind === "head") this.head = record; // the last one: a 1xx head may precede it
    else if (record.kind === "end") point.close(record, at);
    else if (record.kind !== "request") point.add(record, at);
  }

  /** Take what one read of this page brought. */
  read(t, octets) {
    this.had += octets;
    this.reads.push({ t, to: this.had });
  }

  /** Set the moments of the frames that have arrived since the last call; each frame is processed once. */
  resolve() {
    const { base } = this;
    if (base === this.client.frames) {
      for (; this._had < base.length; this._had++) {
        this.hadAt[this._had] = base[this._had].at;
        this.hadRead[this._had] = base[this._had].read;
      }
      return;
    }
    const passed = this.gateway.frames;
    for (; this._pass < base.length && base !== passed; this._pass++) {
      const frame = base[this._pass];
      while (this._gateway < passed.length && (frame.isLast ? !passed[this._gateway].isLast : passed[this._gateway].to < frame.to)) this._gateway++;
      if (this._gateway >= passed.length) break;
      this.passAt[this._pass] = passed[this._gateway].at;
      this._noteHold(passed[this._gateway].at - frame.at);
    }
    if (base === passed) for (; this._pass < base.length; this._pass++) this.passAt[this._pass] = base[this._pass].at;
    const had = this.client.frames.length ? this._asReads() : this.reads;
    for (; this._had < base.length; this._had++) {
      const frame = base[this._had];
      if (frame.isLast) {
        if (!this.done || this.done.error) break;
        this.hadAt[this._had] = this.done.t;
        this.hadRead[this._had] = 0;
        this._note(this.done.t - frame.at);
        continue;
      }
      while (this._read < had.length && had[this._read].to < frame.to) this._read++;
      if (this._read >= had.length) break;
      this.hadAt[this._had] = had[this._read].t;
      this.hadRead[this._had] = this._read + 1;
      this._note(had[this._read].t - frame.at);
    }
  }

  _note(ms) {
    this.longest = Math.max(this.longest, ms);
    if (!this.gateway.count) this._noteHold(ms);
  }

  _noteHold(ms) {
    this.longestHold = Math.max(this.longestHold, ms);
    if (ms > HELD_MS) this.held++;
  }

  /** More frames were held than a busy machine explains. */
  get isHeld() {
    return this.held > 0.1 * this.base.length;
  }

  /** How long a frame was held, in ms: in the gateway where that is known, else on its whole way; undefined until then. */
  heldFor(n) {
    const moment = this.passAt[n] ?? (this.gateway.count ? undefined : this.hadAt[n]);
    return moment === undefined ? undefined : moment - this.base[n].at;
  }

  _asReads() {
    const frames = this.client.frames;
    const last = frames[frames.length - 1];
    if (last.isLast && !this.done) this.done = { t: last.at, error: null };
    return frames.filter((frame) => !frame.isLast).map((frame) => ({ t: frame.at, to: frame.to }));
  }

  /** The last moment that anything is known of. */
  get last() {
    const ends = [this.base, this.gateway.frames].map((frames) => frames[frames.length - 1]?.at ?? 0);
    return Math.max(this.start, ...ends, this.reads[this.reads.length - 1]?.t ?? 0, this.done?.t ?? 0,
      this.hadAt[this.hadAt.length - 1] ?? 0);
  }
}

/** The octets of a frame as on the wire, and the names of their parts. */
export function wireOf(frame) {
  const parts = [], octets = [];
  const put = (name, raw) => {
    if (!raw.length) return;
    parts.push({ name, from: octets.length, to: octets.length + raw.length });
    for (const octet of raw) octets.push(octet);
  };
  if (frame.broken) put("broken", frame.broken);
  else if (frame.line === undefined) put("content", dataOf(frame.record));
  else {
    const [digits] = /^[0-9a-f]*/i.exec(frame.line);
    put(frame.isLast ? "last-chunk" : "chunk-size", latin1(digits));
    put("chunk-ext", latin1(frame.line.slice(digits.length)));
    put("crlf-size", [13, 10]);
    if (frame.isLast) {
      put("trailer", frame.trailers ?? []);
      put("crlf-end", [13, 10]);
    } else {
      put("chunk-data", dataOf(frame.record));
      if (!frame.partial && !frame.cut) put("crlf-data", [13, 10]);
    }
  }
  return { octets: Uint8Array.from(octets), parts };
}
