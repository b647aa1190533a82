import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createFrameMemory, FRAME_BYTES_MAX, FRAME_BYTES_MIN } from './frame.ts';
import { createMemoryLink } from './memory-wire.ts';
import type { Wire } from './wire.ts';

function sendBytes(wire: Wire, frame: Uint8Array, at = 0): void {
  const memory = createFrameMemory(at + frame.length);
  memory.bytes.set(frame, at);
  wire.send(memory, at, frame.length);
}

function receiveAll(wire: Wire): Uint8Array[] {
  const all: Uint8Array[] = [];
  for (let count = wire.receive(); count > 0; count = wire.receive()) {
    for (let k = 0; k < count; k++) {
      expect(wire.offset(k) % 4).toBe(0);
      const offset = wire.offset(k);
      all.push(wire.memory.bytes.slice(offset, offset + wire.length(k)));
    }
  }
  return all;
}

const frameOf = (bytesCount: number, fill: number) => new Uint8Array(bytesCount).fill(fill);

describe('a memory link', () => {
  test('frames travel both ways at flush(), in order, unchanged', () => {
    const [a, b] = createMemoryLink('a', 'b');
    sendBytes(a, frameOf(60, 1), 8);
    sendBytes(a, frameOf(61, 2));
    expect(b.receive()).toBe(0);
    a.flush();
    sendBytes(a, frameOf(62, 3));
    sendBytes(b, frameOf(63, 4));
    b.flush();
    expect(receiveAll(b)).toEqual([frameOf(60, 1), frameOf(61, 2)]);
    expect(receiveAll(a)).toEqual([frameOf(63, 4)]);
    expect(a.counters).toMatchObject({ txFrames: 3, txBytes: 183, rxFrames: 1, rxBytes: 63 });
  });

  test('the frame is copied at send(): its memory may be used again', () => {
    const [a, b] = createMemoryLink('a', 'b');
    const memory = createFrameMemory(40);
    memory.bytes.fill(7);
    a.send(memory, 0, 40);
    memory.bytes.fill(8);
    a.flush();
    expect(receiveAll(b)).toEqual([frameOf(40, 7)]);
  });

  test('a full queue drops and counts, on both ends', () => {
    const [a, b] = createMemoryLink('a', 'b', { queueMax: 3 });
    for (let k = 0; k < 5; k++) sendBytes(a, frameOf(30, k));
    a.flush();
    expect(receiveAll(b)).toEqual([frameOf(30, 0), frameOf(30, 1), frameOf(30, 2)]);
    expect(a.counters).toMatchObject({ txFrames: 3, txDropped: 2 });
    expect(b.counters).toMatchObject({ rxFrames: 3, rxDropped: 2 });
  });

  test('frames of impossible length are refused', () => {
    const [a, b] = createMemoryLink('a', 'b');
    sendBytes(a, frameOf(FRAME_BYTES_MIN - 1, 0));
    sendBytes(a, frameOf(FRAME_BYTES_MAX + 1, 0));
    sendBytes(a, frameOf(FRAME_BYTES_MAX, 1));
    sendBytes(a, frameOf(FRAME_BYTES_MIN, 2));
    a.flush();
    expect(receiveAll(b).map((frame) => frame.length)).toEqual([FRAME_BYTES_MAX, FRAME_BYTES_MIN]);
    expect(a.counters.txErrors).toBe(2);
  });

  test('a closed link takes and gives nothing', () => {
    const [a, b] = createMemoryLink('a', 'b');
    sendBytes(a, frameOf(30, 1));
    a.flush();
    b.close();
    b.close();
    sendBytes(a, frameOf(30, 2));
    expect(b.receive()).toBe(0);
    expect(a.counters.txErrors).toBe(1);
  });

  test('limits below 1 are refused with a code', () => {
    const refused = expect.objectContaining({ code: 'PACKET_IO_ARGUMENT' });
    expect(() => createMemoryLink('a', 'b', { queueMax: 0 })).toThrow(refused);
    expect(() => createMemoryLink('a', 'b', { batchMax: 1.5 })).toThrow(refused);
  });

  test('behaves as a plain bounded list', () => {
    const steps = fc.array(
      fc.oneof(
        fc.record({ op: fc.constant('send' as const), bytes: fc.integer({ min: 24, max: 3000 }) }),
        fc.record({ op: fc.constantFrom('flush' as const, 'receive' as const) }),
      ),
      { maxLength: 60 },
    );
    fc.assert(
      fc.property(steps, fc.integer({ min: 1, max: 8 }), (list, queueMax) => {
        const [a, b] = createMemoryLink('a', 'b', { queueMax, batchMax: 3 });
        let sent: Uint8Array[] = [];
        let flushed: Uint8Array[] = [];
        for (const [k, step] of list.entries()) {
          if (step.op === 'send') {
            const frame = frameOf(step.bytes, k);
            if (sent.length + flushed.length < queueMax) sent.push(frame);
            sendBytes(a, frame);
          } else if (step.op === 'flush') {
            a.flush();
            flushed = [...flushed, ...sent];
            sent = [];
          } else {
            expect(receiveAll(b)).toEqual(flushed);
            flushed = [];
          }
        }
      }),
    );
  });
});
