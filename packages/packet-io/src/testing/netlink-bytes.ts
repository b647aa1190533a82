/** Makes netlink messages by hand, as the kernel would send them. */

export type Attribute = readonly [type: number, value: Uint8Array];

export function u32le(value: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(value).buffer);
}

export function u32be(value: number): Uint8Array {
  return u32le(value).reverse();
}

function padded(bytes: Uint8Array): Uint8Array {
  const all = new Uint8Array((bytes.length + 3) & ~3);
  all.set(bytes);
  return all;
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

export function attributes(list: readonly Attribute[]): Uint8Array {
  return concat(
    ...list.map(([type, value]) => {
      const header = Uint16Array.of(4 + value.length, type);
      return padded(concat(new Uint8Array(header.buffer), value));
    }),
  );
}

export interface MessageParts {
  readonly type: number;
  readonly flags?: number;
  readonly sequence?: number;
  readonly header: Uint8Array;
  readonly attributes?: readonly Attribute[];
}

export function message(parts: MessageParts): Uint8Array {
  const body = concat(parts.header, attributes(parts.attributes ?? []));
  const header = new DataView(new ArrayBuffer(16));
  header.setUint32(0, 16 + body.length, true);
  header.setUint16(4, parts.type, true);
  header.setUint16(6, parts.flags ?? 0, true);
  header.setUint32(8, parts.sequence ?? 0, true);
  return padded(concat(new Uint8Array(header.buffer), body));
}

export function linkHeader(index: number, up: boolean, hardware = 1): Uint8Array {
  const view = new DataView(new ArrayBuffer(16));
  view.setUint16(2, hardware, true);
  view.setInt32(4, index, true);
  view.setUint32(8, up ? 1 : 0, true);
  return new Uint8Array(view.buffer);
}

export function addressHeader(index: number, prefixBits: number): Uint8Array {
  return concat(Uint8Array.of(2, prefixBits, 0, 0), u32le(index));
}

export function routeHeader(prefixBits: number, table = 254, type = 1, flags = 0): Uint8Array {
  return concat(Uint8Array.of(2, prefixBits, 0, 0, table, 3, 0, type), u32le(flags));
}

export function neighbourHeader(index: number, state: number): Uint8Array {
  return concat(Uint8Array.of(2, 0, 0, 0), u32le(index), Uint8Array.of(state, 0, 0, 1));
}
