/**
 * For tests: a wire to Redis on which a call can be held, as a slow network would: it left its
 * sender, who may be stopped or dead by now, and arrives whenever it is let go.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

export class HeldWire {
  readonly url: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #wanted: ((bytes: Buffer) => boolean) | null = null;
  #onHeld: () => void = () => {};
  #held: { readonly bytes: Buffer; readonly to: Socket }[] = [];

  /** A wire to the server of the URL, gone when the test is over. */
  static async to(url: string): Promise<HeldWire> {
    const { hostname, port } = new URL(url);
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const wire = new HeldWire(server);
    server.on('connection', (client) => {
      wire.#join(client, connect({ host: hostname, port: Number(port) }));
    });
    onTestFinished(() => wire.#end());
    return wire;
  }

  constructor(server: Server) {
    this.#server = server;
    this.url = `redis://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  /** Resolves once a call that is wanted, and from then on all that is sent, is held. */
  hold(isWanted: (bytes: Buffer) => boolean): Promise<void> {
    this.#wanted = isWanted;
    return new Promise((resolve) => {
      this.#onHeld = resolve;
    });
  }

  /** Delivers what is held, each byte of it, and holds nothing more. Resolves once the server has
   * answered, whoever hears that. */
  async letGo(): Promise<void> {
    this.#wanted = null;
    const held = this.#held.splice(0);
    const answered = once(held.at(-1)!.to, 'data');
    for (const { bytes, to } of held) to.write(bytes);
    await answered;
  }

  #join(client: Socket, server: Socket): void {
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.on('error', () => {});
    }
    client.on('data', (bytes) => {
      if (this.#held.length === 0 && !this.#wanted?.(bytes)) {
        server.write(bytes);
        return;
      }
      this.#held.push({ bytes, to: server });
      this.#onHeld();
    });
    // A sender that dies takes nothing back of what it sent.
    client.on('close', () => {
      if (this.#held.length === 0) server.destroy();
    });
    server.on('data', (bytes) => client.writable && client.write(bytes));
    server.on('close', () => client.destroy());
  }

  #end(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}
