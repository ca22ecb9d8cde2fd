// What each part of a frame is: its name, the rule of the grammar, and where that is written.

const RFC = "https://www.rfc-editor.org/rfc/rfc9112.html#section-";

export const clauses = {
  "chunk-size": {
    name: "chunk-size", rule: "chunk-size = 1*HEXDIG", section: "7.1",
    text: "How many octets of chunk-data follow, in hexadecimal. Leading zeros are legal; a 0x or a blank is not.",
  },
  "last-chunk": {
    name: "last-chunk", rule: "last-chunk = 1*(\"0\") [ chunk-ext ] CRLF", section: "7.1",
    text: "A size of 0: the body ends here. A stream without it is incomplete, however much of it has come.",
  },
  "chunk-ext": {
    name: "chunk-ext", rule: "chunk-ext = *( BWS \";\" BWS chunk-ext-name [ BWS \"=\" BWS chunk-ext-val ] )", section: "7.1.1",
    text: "An extension of this chunk. A recipient must ignore those it does not know, and any hop may drop them.",
  },
  "crlf-size": {
    name: "CRLF after the size", rule: "CR LF", section: "7.1",
    text: "CR (0d) and LF (0a) end the size line. LF alone is refused here: two hops that disagree on a line end disagree on where a message ends.",
  },
  "chunk-data": {
    name: "chunk-data", rule: "chunk-data = 1*OCTET", section: "7.1",
    text: "The content: exactly as many octets as chunk-size says. CR and LF among them mean nothing to the framing.",
  },
  "crlf-data": {
    name: "CRLF after the data", rule: "CR LF", section: "7.1",
    text: "Ends the chunk. It is no part of the data and is not counted in chunk-size.",
  },
  trailer: {
    name: "trailer-section", rule: "trailer-section = *( field-line CRLF )", section: "7.1.2",
    text: "Fields that were known only once the content had been sent, such as a checksum.",
  },
  "crlf-end": {
    name: "CRLF at the end", rule: "chunked-body = *chunk last-chunk trailer-section CRLF", section: "7.1",
    text: "An empty line ends the trailer section and with it the body. Only now is the message complete.",
  },
  content: {
    name: "content", rule: "message-body = *OCTET", section: "6",
    text: "Octets of a body that is not chunked: it has no frames, and its length or the end of the connection ends it.",
  },
  broken: {
    name: "not a frame", rule: "no production of §7.1 matches", section: "8",
    text: "Octets that no frame can be made of. A strict reader stops here, and so does the gateway: nothing after them can be trusted.",
  },
};

export const sectionUrl = (section) => RFC + section;
