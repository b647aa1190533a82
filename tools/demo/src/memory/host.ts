/**
 * A host on one wire: TCP, UDP, and ICMP echo, as a real stack treats them. A segment of a
 * connection that it does not know is answered by RST, so that a NAT that forgets a flow, or
 * changes its port, shows at once. Every checksum is checked.
 */
import { ICMP, TCP, UDP } from '@flowstore/flow';
import { type FrameMemory, IP_OFFSET, newFrame } from '@flowstore/gateway-core';
import {
  ICMP_ECHO_REPLY,
  ICMP_ECHO_REQUEST,
  isFirstSegment,
  isReset,
  Malformed,
  Packet,
  parseIpv4,
  RESET_BYTES,
  writeReset,
} from '@flowstore/nat';
import type { Wire } from '@flowstore/packet-io';
import {
  checksumsAreRight,
  echoFrame,
  echoSequence,
  payloadOf,
  reverse,
  segmentOf,
  type Tuple,
  tcpFrame,
  tupleOf,
  tupleText,
  udpFrame,
} from './packets.ts';
import { TcpConnection, type TcpEvents } from './tcp.ts';

export interface HostOptions {
  readonly address: number;
  readonly wire: Wire;
  /** Uniform 32-bit numbers: initial sequence numbers and the first port come from here. */
  readonly random: () => number;
  readonly nowMs: number;
}

/** What is to happen with a connection that came in; `tuple` is the host's own direction. */
export type Accept = (connection: TcpConnection, tuple: Tuple) => TcpEvents;
export type OnDatagram = (payload: Uint8Array, tuple: Tuple) => void;
export type OnEchoReply = (sequence: number, payload: Uint8Array) => void;

const TICK_MS = 10;
const FIRST_PORT = 32_768;
const PORTS = 28_232;

export class Host {
  readonly address: number;
  /** Packets that a NAT must never produce: each is a failure of the run. */
  malformed = 0;
  wrongChecksums = 0;
  /** RSTs that this host sent for connections that it did not know. */
  resetsSent = 0;
  readonly #wire: Wire;
  readonly #random: () => number;
  readonly #packet = new Packet();
  /** By the text of the 5-tuple in the host's own direction. */
  readonly #connections = new Map<string, TcpConnection>();
  readonly #listeners = new Map<number, Accept>();
  readonly #udpPorts = new Map<number, OnDatagram>();
  readonly #pings = new Map<number, OnEchoReply>();
  #nextPort: number;
  #nowMs: number;
  #tickAtMs = 0;

  constructor({ address, wire, random, nowMs }: HostOptions) {
    this.address = address;
    this.#wire = wire;
    this.#random = random;
    this.#nowMs = nowMs;
    this.#nextPort = random() % PORTS;
  }

  listen(port: number, accept: Accept): void {
    this.#listeners.set(port, accept);
  }

  connect(destination: number, destinationPort: number, events: TcpEvents) {
    const { address: source } = this;
    const sourcePort = this.newPort();
    const tuple = { protocol: TCP, source, sourcePort, destination, destinationPort };
    const connection = new TcpConnection(this.#linkOf(tuple), this.#random());
    connection.events = events;
    this.#connections.set(tupleText(tuple), connection);
    return { connection, tuple };
  }

  newPort(): number {
    this.#nextPort = (this.#nextPort + 1) % PORTS;
    return FIRST_PORT + this.#nextPort;
  }

  onDatagram(port: number, handler: OnDatagram): void {
    this.#udpPorts.set(port, handler);
  }

  sendDatagram(tuple: Tuple, payload: Uint8Array): void {
    this.#send(udpFrame(tuple, payload));
  }

  onEchoReply(identifier: number, handler: OnEchoReply): void {
    this.#pings.set(identifier, handler);
  }

  ping(destination: number, identifier: number, sequence: number, payload: Uint8Array): void {
    const ends = { source: this.address, sourcePort: identifier, destination };
    const tuple = { protocol: ICMP, ...ends, destinationPort: identifier };
    this.#send(echoFrame(tuple, ICMP_ECHO_REQUEST, sequence, payload));
  }

  /** Returns how many frames came. */
  step(nowMs: number): number {
    this.#nowMs = nowMs;
    const frames = this.#wire.receive();
    const { memory } = this.#wire;
    for (let k = 0; k < frames; k++) {
      const offset = this.#wire.offset(k);
      this.#receive(memory, offset, this.#wire.length(k));
    }
    if (nowMs >= this.#tickAtMs) {
      this.#tickAtMs = nowMs + TICK_MS;
      for (const [key, connection] of this.#connections) {
        if (!connection.tick(nowMs)) this.#connections.delete(key);
      }
    }
    this.#wire.flush();
    return frames;
  }

  #receive(memory: FrameMemory, offset: number, length: number): void {
    const packet = this.#packet;
    const problem = parseIpv4(memory.view, offset + IP_OFFSET, length - IP_OFFSET, packet);
    if (problem !== Malformed.None || packet.destination !== this.address) this.malformed++;
    else if (!checksumsAreRight(memory.view, packet)) this.wrongChecksums++;
    else if (packet.protocol === TCP) this.#receiveTcp(memory, packet);
    else if (packet.protocol === UDP) this.#receiveUdp(memory, packet);
    else this.#receiveEcho(memory, packet);
  }

  #receiveTcp(memory: FrameMemory, packet: Packet): void {
    const tuple = reverse(tupleOf(packet));
    const key = tupleText(tuple);
    const connection = this.#connections.get(key);
    if (connection !== undefined) connection.receive(segmentOf(memory, packet));
    else if (!isReset(packet)) {
      const accept = this.#listeners.get(packet.destinationPort);
      if (accept === undefined || !isFirstSegment(packet)) this.#refuse(memory, packet);
      else {
        const syn = segmentOf(memory, packet);
        const accepted = new TcpConnection(this.#linkOf(tuple), this.#random(), syn);
        accepted.events = accept(accepted, tuple);
        this.#connections.set(key, accepted);
      }
    }
  }

  #refuse(memory: FrameMemory, packet: Packet): void {
    const frame = newFrame(IP_OFFSET + RESET_BYTES);
    writeReset(memory.view, packet, frame.view, IP_OFFSET);
    this.resetsSent++;
    this.#send(frame);
  }

  #receiveUdp(memory: FrameMemory, packet: Packet): void {
    const handler = this.#udpPorts.get(packet.destinationPort);
    handler?.(payloadOf(memory, packet), reverse(tupleOf(packet)));
  }

  #receiveEcho(memory: FrameMemory, packet: Packet): void {
    const sequence = echoSequence(memory.view, packet);
    const payload = payloadOf(memory, packet);
    if (packet.icmpType === ICMP_ECHO_REQUEST) {
      this.#send(echoFrame(reverse(tupleOf(packet)), ICMP_ECHO_REPLY, sequence, payload));
    } else this.#pings.get(packet.sourcePort)?.(sequence, payload);
  }

  #linkOf(tuple: Tuple) {
    return {
      nowMs: () => this.#nowMs,
      transmit: (segment: Parameters<typeof tcpFrame>[1]) => this.#send(tcpFrame(tuple, segment)),
    };
  }

  #send(frame: FrameMemory): void {
    this.#wire.send(frame, 0, frame.bytes.length);
  }
}
