/**
 * How a message travels from one gateway to another: who it is from, a counter that never comes
 * twice, the message, and a proof that its sender knows the deployment's secret.
 *
 * ```
 *  0        8          16       17         17+n                   end-16        end
 *  +--------+----------+--------+----------+---------------------+-------------+
 *  | sender's          | n      | sender's | message             | HMAC-SHA256 |
 *  | run    | counter  |        | name     | (peer-message.ts)   | (16 bytes)  |
 *  +--------+----------+--------+----------+---------------------+-------------+
 * ```
 *
 * The proof covers all before it and the receiver's name, so that what was meant for one gateway is
 * no message for another. It is cut to 16 bytes: nobody can try 2^128 of them.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';

const COUNTER = 8;
const NAME_LENGTH = 16;
const NAME = 17;
const PROOF_BYTES = 16;
const MESSAGE_MAX = 65_000;

export interface PeerLetter {
  readonly from: string;
  /** The sender's run: 16 hexadecimal digits. */
  readonly incarnation: string;
  /** Grows with every message of a name, over its runs too. */
  readonly counter: bigint;
  readonly message: Uint8Array;
}

export function sealLetter(letter: PeerLetter, to: string, secret: string): Buffer {
  const name = Buffer.from(letter.from);
  const body = Buffer.alloc(NAME + name.length + letter.message.length);
  body.write(letter.incarnation, 0, 'hex');
  body.writeBigUInt64BE(letter.counter, COUNTER);
  body[NAME_LENGTH] = name.length;
  name.copy(body, NAME);
  body.set(letter.message, NAME + name.length);
  return Buffer.concat([body, proof(body, to, secret)]);
}

/** Null for what is no letter to `to`, or was not sealed with the secret. */
export function openLetter(bytes: Buffer, to: string, secret: string): PeerLetter | null {
  const bodyLength = bytes.length - PROOF_BYTES;
  if (bodyLength < NAME || bodyLength > NAME + 255 + MESSAGE_MAX) return null;
  const body = bytes.subarray(0, bodyLength);
  if (!timingSafeEqual(proof(body, to, secret), bytes.subarray(bodyLength))) return null;
  const nameEnd = NAME + body[NAME_LENGTH]!;
  if (nameEnd > bodyLength) return null;
  return {
    from: body.toString('utf8', NAME, nameEnd),
    incarnation: body.toString('hex', 0, COUNTER),
    counter: body.readBigUInt64BE(COUNTER),
    message: body.subarray(nameEnd),
  };
}

function proof(body: Uint8Array, to: string, secret: string): Buffer {
  const name = Buffer.from(to);
  const hmac = createHmac('sha256', secret).update(Buffer.of(name.length)).update(name);
  return hmac.update(body).digest().subarray(0, PROOF_BYTES);
}
