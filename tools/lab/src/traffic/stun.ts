// Binding requests and responses of STUN (RFC 5389, RFC 5780), as much as finding out how a NAT
// behaves takes.
//
//    0      2      4              8                      20
//    | type | len  | magic cookie | transaction (12)     | attributes: type(2) length(2) value
import { randomBytes } from 'node:crypto';

export type Endpoint = { address: string; port: number };
export type Change = { address: boolean; port: boolean };
export type StunMessage = {
  isRequest: boolean;
  transaction: string;
  change: Change;
  mapped?: Endpoint;
  /** The server's other address and port. */
  other?: Endpoint;
};

const request = 0x0001;
const response = 0x0101;
const cookie = 0x2112a442;
const headerBytes = 20;
const changeRequest = 0x0003;
const xorMappedAddress = 0x0020;
const otherAddress = 0x802c;
const ipv4 = 1;

export function newTransaction(): string {
  return randomBytes(12).toString('hex');
}

export function encodeStun(message: StunMessage): Buffer {
  const { isRequest, transaction, change, mapped, other } = message;
  const attributes = [
    ...(isRequest ? [attribute(changeRequest, changeValue(change))] : []),
    ...(mapped ? [attribute(xorMappedAddress, endpointValue(mapped, cookie))] : []),
    ...(other ? [attribute(otherAddress, endpointValue(other, 0))] : []),
  ];
  const body = Buffer.concat(attributes);
  const header = Buffer.alloc(headerBytes);
  header.writeUInt16BE(isRequest ? request : response, 0);
  header.writeUInt16BE(body.length, 2);
  header.writeUInt32BE(cookie, 4);
  header.write(transaction, 8, 'hex');
  return Buffer.concat([header, body]);
}

/** Undefined for what is no message of these two kinds. */
export function decodeStun(bytes: Buffer): StunMessage | undefined {
  if (bytes.length < headerBytes || bytes.readUInt32BE(4) !== cookie) return undefined;
  const type = bytes.readUInt16BE(0);
  if (type !== request && type !== response) return undefined;
  const message: StunMessage = {
    isRequest: type === request,
    transaction: bytes.toString('hex', 8, headerBytes),
    change: { address: false, port: false },
  };
  for (let at = headerBytes; at + 4 <= bytes.length; ) {
    const kind = bytes.readUInt16BE(at);
    const value = bytes.subarray(at + 4, at + 4 + bytes.readUInt16BE(at + 2));
    if (kind === changeRequest && value.length === 4) {
      message.change = { address: (value[3]! & 4) !== 0, port: (value[3]! & 2) !== 0 };
    }
    if (kind === xorMappedAddress) message.mapped = readEndpoint(value, cookie);
    if (kind === otherAddress) message.other = readEndpoint(value, 0);
    at += 4 + value.length + ((4 - (value.length % 4)) % 4);
  }
  return message;
}

function attribute(type: number, value: Buffer): Buffer {
  const header = Buffer.alloc(4);
  header.writeUInt16BE(type, 0);
  header.writeUInt16BE(value.length, 2);
  return Buffer.concat([header, value]);
}

function changeValue({ address, port }: Change): Buffer {
  return Buffer.of(0, 0, 0, (address ? 4 : 0) | (port ? 2 : 0));
}

/** Address and port under a mask: old NATs rewrote what looked like their own address. */
function endpointValue({ address, port }: Endpoint, mask: number): Buffer {
  const value = Buffer.alloc(8);
  value[1] = ipv4;
  value.writeUInt16BE(port ^ (mask >>> 16), 2);
  const number = Buffer.from(address.split('.').map(Number)).readUInt32BE(0);
  value.writeUInt32BE((number ^ mask) >>> 0, 4);
  return value;
}

function readEndpoint(value: Buffer, mask: number): Endpoint {
  const address = Buffer.alloc(4);
  address.writeUInt32BE((value.readUInt32BE(4) ^ mask) >>> 0, 0);
  return { address: address.join('.'), port: value.readUInt16BE(2) ^ (mask >>> 16) };
}
