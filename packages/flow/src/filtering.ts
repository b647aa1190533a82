/**
 * Which packets from outside may use a binding (RFC 4787 section 5), and how wide a flow's record
 * is for that:
 *
 * ```
 *                               lets in                          a UDP flow is one per
 * endpoint-independent          everybody                        binding
 * address-dependent             whom a packet was sent to        remote address
 * address-and-port-dependent    the endpoint it was sent to      remote address and port
 * ```
 *
 * TCP has a flow per remote endpoint in any case: its timeout depends on what that one did. ICMP
 * queries have one per binding.
 */
import type { SocketAddress } from './endpoint.ts';
import { TCP, UDP } from './protocol.ts';

export const FILTERINGS = [
  'endpoint-independent',
  'address-dependent',
  'address-and-port-dependent',
] as const;
export type Filtering = (typeof FILTERINGS)[number];

export interface FilteringByProtocol {
  readonly udp: Filtering;
  readonly tcp: Filtering;
}

/** What of the remote endpoint belongs to a flow. */
export const Width = { Binding: 0, Address: 1, Endpoint: 2 } as const;
export type Width = (typeof Width)[keyof typeof Width];

const UDP_WIDTH: Readonly<Record<Filtering, Width>> = {
  'endpoint-independent': Width.Binding,
  'address-dependent': Width.Address,
  'address-and-port-dependent': Width.Endpoint,
};

/** How wide flows are, worked out once: it is asked for every packet. */
export class FlowWidths {
  readonly #udp: Width;

  constructor({ udp }: FilteringByProtocol) {
    this.#udp = UDP_WIDTH[udp];
  }

  of(protocol: number): Width {
    if (protocol === TCP) return Width.Endpoint;
    return protocol === UDP ? this.#udp : Width.Binding;
  }

  /** What a flow with this peer has for its remote endpoint; null: it is the binding. */
  remote(protocol: number, peer: SocketAddress): SocketAddress | null {
    const width = this.of(protocol);
    if (width === Width.Binding) return null;
    return width === Width.Address ? { address: peer.address, port: 0 } : peer;
  }
}

/** Whether the store keeps one state per remote endpoint (or address), or one for the binding. */
export function hasFlowPerRemote(filtering: FilteringByProtocol, protocol: number): boolean {
  return protocol === TCP || (protocol === UDP && UDP_WIDTH[filtering.udp] !== Width.Binding);
}
