/**
 * A TCP transfer of pseudo-random bytes, so that loss or damage shows.
 *
 *   node tcp.ts serve ADDRESS PORT          answers {port}, then {bytes, sha256} per connection
 *   node tcp.ts send ADDRESS PORT BYTES     answers {bytes, sha256}
 */
import { createHash } from 'node:crypto';
import { connect, createServer } from 'node:net';

const [mode, address, port, size] = process.argv.slice(2);
const CHUNK_BYTES = 256 << 10;
const answer = (message: unknown) => process.stdout.write(`${JSON.stringify(message)}\n`);

if (mode === 'serve') {
  const server = createServer((socket) => {
    const hash = createHash('sha256');
    let bytes = 0;
    socket.on('data', (chunk) => {
      hash.update(chunk);
      bytes += chunk.length;
    });
    socket.on('error', (error) => answer({ error: error.message }));
    socket.on('end', () => {
      answer({ bytes, sha256: hash.digest('hex') });
      socket.end();
    });
  });
  server.listen(Number(port), address, () => answer({ port: Number(port) }));
} else {
  const hash = createHash('sha256');
  const chunk = Buffer.alloc(CHUNK_BYTES);
  for (let k = 0; k < chunk.length; k++) chunk[k] = (k * 31 + (k >> 8)) & 0xff;
  const socket = connect(Number(port), address);
  socket.on('error', (error) => answer({ error: error.message }));
  let left = Number(size);
  const pump = () => {
    while (left > 0) {
      const part = chunk.subarray(0, Math.min(left, chunk.length));
      left -= part.length;
      hash.update(part);
      if (!socket.write(part)) return socket.once('drain', pump);
    }
    return socket.end();
  };
  socket.on('connect', pump);
  socket.on('close', () => answer({ bytes: Number(size), sha256: hash.digest('hex') }));
}
