import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { allocateNative, must, native, nativeSupported, scratchMemory } from './native.ts';

test.skipIf(!nativeSupported())('without koffi the memory wire and the clock still work', () => {
  const program = fileURLToPath(new URL('./testing/without-koffi.ts', import.meta.url));
  const answer = execFileSync(process.execPath, [program], { encoding: 'utf8', timeout: 20_000 });
  expect(JSON.parse(answer)).toEqual({
    memoryLink: 'worked',
    clock: true,
    waiter: 'PACKET_IO_NO_FFI',
    wire: 'PACKET_IO_NO_FFI',
  });
});

describe.skipIf(!nativeSupported())('native memory (needs Linux)', () => {
  test('the kernel sees the bytes that JS wrote, at an aligned address', () => {
    const memory = allocateNative(13);
    expect(memory.address % 8).toBe(0);
    expect(memory.bytes.length).toBe(16);
    expect(scratchMemory()).toBe(scratchMemory());
    const calls = native();
    const fd = must(calls.eventfd(0, 0), 'eventfd');
    memory.view.setUint32(0, 41, true);
    expect(calls.write(fd, memory.address, 8)).toBe(8);
    memory.bytes.fill(0);
    expect(calls.read(fd, memory.address, 8)).toBe(8);
    expect(memory.words[0]).toBe(41);
    calls.close(fd);
  });

  test('a failed call throws its errno', () => {
    const EBADF = 9;
    const failed = expect.objectContaining({ code: 'PACKET_IO_SYSTEM', errno: EBADF });
    expect(() => must(native().close(-1), 'close')).toThrow(failed);
  });
});
