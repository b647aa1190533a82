/**
 * The inside hosts: they hold conversations as their scripts say, and answer RST to segments of
 * connections that they don't know (any more).
 */
import { type FrameMemory, Side } from '@flowstore/gateway-core';
import type { DeliveryChecker } from '../checkers/deliveries.ts';
import { endpointKey, formatEndpoint, protocolName, remoteKey } from '../keys.ts';
import type { Log } from '../log.ts';
import {
  ACK,
  ECHO_REQUEST,
  type Header,
  ICMP,
  RST,
  readPacket,
  type Tag,
  TCP,
  writePacket,
} from '../packet.ts';
import type { Timeline } from '../timeline.ts';
import type { Network } from '../world/network.ts';
import type { Script } from './script.ts';
import { type ClientHost, TcpClient } from './tcp-client.ts';
import { Word } from './words.ts';

export interface InsideHostsOptions {
  readonly timeline: Timeline;
  readonly log: Log;
  readonly network: Network;
  readonly deliveries: DeliveryChecker;
  /** An endpoint is free for another conversation. */
  readonly onOver: (script: Script) => void;
}

export class InsideHosts implements ClientHost {
  /** How conversations ended. */
  readonly endings = { ended: 0, refused: 0, reset: 0, silence: 0 };
  readonly #options: InsideHostsOptions;
  readonly #clients = new Map<string, TcpClient>();
  readonly #downUntilMs = new Map<number, number>();
  #working = true;

  constructor(options: InsideHostsOptions) {
    this.#options = options;
  }

  /** All hosts fall silent at once: what they leave behind has to go by itself. */
  stop(): void {
    this.#working = false;
    this.#clients.clear();
  }

  begin(script: Script): void {
    const { timeline, log } = this.#options;
    log.line(timeline.nowMs, `talk   ${describe(script)} begins`);
    if (script.protocol !== TCP) {
      this.#ask(script, 0);
      return;
    }
    const client = new TcpClient(script, this, timeline);
    this.#clients.set(clientKey(script), client);
    client.start();
  }

  /** A crash: nothing is heard until then, and all connections are forgotten. */
  crash(address: number, untilMs: number): void {
    this.#downUntilMs.set(address, untilMs);
    for (const [key, client] of [...this.#clients]) {
      if (client.script.inside !== address) continue;
      client.forget();
      this.#clients.delete(key);
      this.#options.onOver(client.script);
    }
  }

  deliver(frame: FrameMemory): void {
    const reading = readPacket(frame, frame.bytes.length);
    const { header, tag } = reading;
    if (!this.#working) return;
    if (tag !== null) this.#options.deliveries.toInside(header, tag);
    if (this.#isDown(header.destination) || header.protocol !== TCP) return;
    const { destination, destinationPort, source, sourcePort } = header;
    const client = this.#clients.get(
      `${endpointKey(TCP, destination, destinationPort)}/${remoteKey(source, sourcePort)}`,
    );
    const unknown = client === undefined || (tag !== null && tag.talk !== client.script.talk);
    if (!unknown) client.hear(reading);
    else if (tag !== null && !(header.control & RST)) this.#refuse(header, tag);
  }

  send(script: Script, remote: number, control: number, word: Word, sequence: number): void {
    if (!this.#working || this.#isDown(script.inside)) return;
    const { address, port } = script.remotes[remote]!;
    const { protocol, inside, insidePort, talk } = script;
    const header = {
      protocol,
      source: inside,
      sourcePort: insidePort,
      destination: address,
      destinationPort: protocol === ICMP ? insidePort : port,
      control,
    };
    const heardMs = Math.floor(this.#options.timeline.nowMs);
    const whom = { inside, insidePort, remote: address, remotePort: port };
    const tag = { talk, ...whom, outside: 0, outsidePort: 0, word, sequence, heardMs };
    this.#options.network.fromHost(Side.Inside, header, writePacket(header, tag));
  }

  over(script: Script, how: keyof InsideHosts['endings']): void {
    const { timeline, log, onOver } = this.#options;
    this.endings[how]++;
    log.line(timeline.nowMs, `talk   ${describe(script)}: ${how}`);
    this.#clients.delete(clientKey(script));
    onOver(script);
  }

  /** UDP and ping: ask, whatever was answered so far. */
  #ask(script: Script, message: number): void {
    const gapMs = script.gapsMs[message];
    if (gapMs === undefined || !this.#working) {
      this.over(script, 'ended');
      return;
    }
    const remote = message % script.remotes.length;
    this.send(script, remote, ECHO_REQUEST, Word.Ask, message);
    this.#options.timeline.after(gapMs, () => this.#ask(script, message + 1));
  }

  #refuse(header: Header, tag: Tag): void {
    const back = {
      protocol: TCP,
      source: header.destination,
      sourcePort: header.destinationPort,
      destination: header.source,
      destinationPort: header.sourcePort,
      control: RST | ACK,
    };
    // The payload names us, even if the packet was meant for somebody else.
    const mine = { inside: header.destination, insidePort: header.destinationPort };
    const frame = writePacket(back, { ...tag, ...mine, word: Word.Reset });
    this.#options.network.fromHost(Side.Inside, back, frame);
  }

  #isDown(address: number): boolean {
    return this.#options.timeline.nowMs < (this.#downUntilMs.get(address) ?? 0);
  }
}

function clientKey({ inside, insidePort, remotes }: Script): string {
  const [remote] = remotes;
  return `${endpointKey(TCP, inside, insidePort)}/${remoteKey(remote!.address, remote!.port)}`;
}

function describe({ talk, protocol, inside, insidePort, remotes }: Script): string {
  const to = remotes.map(({ address, port }) => formatEndpoint(address, port)).join(', ');
  return `#${talk} ${protocolName(protocol)} ${formatEndpoint(inside, insidePort)} to ${to}`;
}
