/**
 * The outside hosts: TCP servers that answer every message, push now and then, and reset what they
 * don't know; UDP and ping responders that answer to whoever they heard last.
 */
import { type FrameMemory, Side } from '@flowstore/gateway-core';
import type { DeliveryChecker } from '../checkers/deliveries.ts';
import {
  ACK,
  ECHO_REPLY,
  FIN,
  type Header,
  ICMP,
  type Reading,
  RST,
  readPacket,
  SYN,
  type Tag,
  TCP,
  writePacket,
} from '../packet.ts';
import type { Timeline } from '../timeline.ts';
import type { Network } from '../world/network.ts';
import { Ending, type Script } from './script.ts';
import { Word } from './words.ts';

/** A server's end of a connection: who it is with, as the payload of its SYN said. */
interface Connection {
  readonly talk: number;
  readonly inside: number;
  readonly insidePort: number;
  pushed: number;
}

export class RemoteHosts {
  readonly #timeline: Timeline;
  readonly #network: Network;
  readonly #deliveries: DeliveryChecker;
  readonly #scripts: ReadonlyMap<number, Script>;
  readonly #connections = new Map<string, Connection>();
  readonly #downUntilMs = new Map<number, number>();
  #working = true;

  constructor(options: {
    timeline: Timeline;
    network: Network;
    deliveries: DeliveryChecker;
    /** What a server is to do is the conversation's to say. */
    scripts: ReadonlyMap<number, Script>;
  }) {
    this.#timeline = options.timeline;
    this.#network = options.network;
    this.#deliveries = options.deliveries;
    this.#scripts = options.scripts;
  }

  /** Nobody sends anything of his own accord any more. */
  stop(): void {
    this.#working = false;
  }

  /** A crash: nothing is heard until then, and all connections are forgotten. */
  crash(address: number, untilMs: number): void {
    this.#downUntilMs.set(address, untilMs);
    for (const key of [...this.#connections.keys()]) {
      if (key.startsWith(`${address}:`)) this.#connections.delete(key);
    }
  }

  deliver(frame: FrameMemory): void {
    const reading = readPacket(frame, frame.bytes.length);
    const { header, tag } = reading;
    if (tag === null || !this.#working) return;
    this.#deliveries.toRemote(header, tag);
    if (this.#timeline.nowMs < (this.#downUntilMs.get(header.destination) ?? 0)) return;
    if (header.protocol === TCP) this.#onSegment(reading, tag);
    else this.#onDatagram(header, tag);
  }

  #onDatagram(header: Header, tag: Tag): void {
    this.#send(header, tag, ECHO_REPLY, Word.Answer, tag.sequence);
    const pushMs = this.#scripts.get(tag.talk)?.pushMs ?? null;
    if (pushMs === null || header.protocol === ICMP) return;
    const heardMs = Math.floor(this.#timeline.nowMs);
    this.#timeline.after(pushMs, () => {
      if (this.#working) this.#send(header, tag, 0, Word.Push, tag.sequence, heardMs);
    });
  }

  #onSegment({ header }: Reading, tag: Tag): void {
    const key = this.#keyOf(header);
    const connection = this.#connections.get(key);
    const { control } = header;
    if (control & RST) {
      if (connection?.talk === tag.talk) this.#connections.delete(key);
      return;
    }
    if (control & SYN) {
      const { talk, inside, insidePort } = tag;
      if (connection?.talk !== talk) {
        this.#connections.set(key, { talk, inside, insidePort, pushed: 0 });
      }
      this.#send(header, tag, SYN | ACK, Word.SynAck, tag.sequence);
      return;
    }
    if (connection?.talk !== tag.talk) {
      this.#send(header, tag, RST | ACK, Word.Reset, tag.sequence);
      return;
    }
    this.#converse(key, connection, header, tag);
  }

  #converse(key: string, connection: Connection, header: Header, tag: Tag): void {
    const script = this.#scripts.get(tag.talk);
    if (tag.word === Word.Data) {
      this.#send(header, tag, ACK, Word.Reply, tag.sequence);
      const last = tag.sequence === script?.gapsMs.length;
      if (last && script?.ending === Ending.ServerAbort) {
        this.#timeline.after(20, () => this.#abort(key, connection, header, tag));
      } else if (typeof script?.pushMs === 'number' && tag.sequence > connection.pushed) {
        connection.pushed = tag.sequence;
        this.#pushLater(key, connection, header, tag, script.pushMs);
      }
    } else if (tag.word === Word.Fin) {
      if (script?.ending === Ending.HalfClose && connection.pushed >= 0) {
        connection.pushed = -1;
        this.#pushLater(key, connection, header, tag, 400);
        this.#pushLater(key, connection, header, tag, 1_500);
      }
      this.#send(header, tag, FIN | ACK, Word.FinAck, tag.sequence);
    }
  }

  #pushLater(key: string, connection: Connection, header: Header, tag: Tag, delayMs: number): void {
    const heardMs = Math.floor(this.#timeline.nowMs);
    this.#timeline.after(delayMs, () => {
      if (!this.#working || this.#connections.get(key) !== connection) return;
      this.#send(header, tag, ACK, Word.Push, tag.sequence, heardMs);
    });
  }

  #abort(key: string, connection: Connection, header: Header, tag: Tag): void {
    if (!this.#working || this.#connections.get(key) !== connection) return;
    this.#connections.delete(key);
    this.#send(header, tag, RST | ACK, Word.Reset, tag.sequence);
  }

  /** Answers what came with `header`, to where it came from. */
  #send(
    header: Header,
    tag: Tag,
    control: number,
    word: Word,
    sequence: number,
    heardMs = Math.floor(this.#timeline.nowMs),
  ): void {
    const back = {
      protocol: header.protocol,
      source: header.destination,
      sourcePort: header.destinationPort,
      destination: header.source,
      destinationPort: header.sourcePort,
      control,
    };
    const outside = { outside: header.source, outsidePort: header.sourcePort };
    const frame = writePacket(back, { ...tag, ...outside, word, sequence, heardMs });
    this.#network.fromHost(Side.Outside, back, frame);
  }

  #keyOf({ source, sourcePort, destination, destinationPort }: Header): string {
    return `${destination}:${destinationPort}/${source}:${sourcePort}`;
  }
}
