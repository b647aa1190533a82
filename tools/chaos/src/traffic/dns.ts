/**
 * As much of DNS (RFC 1035) as a question for one address and its answer take. The name says which
 * flow asks: `<flow>.<inside port>.<last byte of the inside address>.test`.
 */
const HEADER = 12;
const TYPE_A_CLASS_IN = Buffer.from([0, 1, 0, 1]);

export function encodeQuestion(id: number, labels: readonly string[]): Buffer {
  const head = Buffer.alloc(HEADER);
  head.writeUInt16BE(id, 0);
  head.writeUInt16BE(0x0100, 2); // Recursion desired.
  head.writeUInt16BE(1, 4);
  const parts = labels.map((label) => Buffer.concat([Buffer.of(label.length), Buffer.from(label)]));
  return Buffer.concat([head, ...parts, Buffer.of(0), TYPE_A_CLASS_IN]);
}

/** The question's own bytes, and an address that is made of the asking port. */
export function encodeAnswer(question: Buffer, address: readonly number[]): Buffer {
  const head = Buffer.from(question.subarray(0, HEADER));
  head.writeUInt16BE(0x8180, 2);
  head.writeUInt16BE(1, 6);
  const record = Buffer.from([0xc0, HEADER, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, ...address]);
  return Buffer.concat([head, question.subarray(HEADER), record]);
}

/** null for what is no question or answer of one name. */
export function readName(message: Buffer): { id: number; labels: string[] } | null {
  if (message.length < HEADER || message.readUInt16BE(4) !== 1) return null;
  const labels: string[] = [];
  let at = HEADER;
  for (;;) {
    const length = message[at];
    if (length === undefined || length > 63 || at + 1 + length > message.length) return null;
    if (length === 0) return { id: message.readUInt16BE(0), labels };
    labels.push(message.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
}

/** The inside endpoint that a name of ours says it is from. */
export function endpointOf([, port, lastByte]: readonly string[]): string {
  return `198.18.1.${lastByte}:${port}`;
}
