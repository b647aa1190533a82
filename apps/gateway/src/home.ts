/**
 * Where this box is. A setting may name a network in place of an interface or an address: that one
 * is meant which this box has there. Containers get their interfaces' names by chance, and boxes
 * of one deployment can share one file.
 *
 * ```
 * devices.inside: 198.18.101.0/24   ->  eth1            peers.host: 192.0.2.0/24  ->  192.0.2.101
 * ```
 */
import { networkInterfaces } from 'node:os';
import { parseAddress, parsePrefix, prefixContains } from '@flowstore/flow';
import type { GatewayConfig } from './config.ts';

/** The links that are up and their addresses, as node:os tells them. */
export type Links = Readonly<Record<string, readonly { readonly address: string }[] | undefined>>;

/** `code` is stable; the message names the setting and the network. */
export class NotAtHomeError extends Error {
  readonly code = 'FLOWSTORE_NOT_AT_HOME';
}

/** The same configuration, with names and addresses of this box where it named networks. */
export function settleIn(config: GatewayConfig, links: Links = networkInterfaces()): GatewayConfig {
  const { devices, http, peers } = config;
  const name = (setting: string, text: string) =>
    isNetwork(text) ? findLink(setting, text, links).name : text;
  const address = (setting: string, text: string) =>
    isNetwork(text) ? findLink(setting, text, links).address : text;
  return {
    ...config,
    devices: {
      inside: name('devices.inside', devices.inside),
      outside: name('devices.outside', devices.outside),
      domains: devices.domains.map(({ domain, inside }) => ({
        domain,
        inside: name('devices.domains', inside),
      })),
    },
    http: { ...http, host: address('http.host', http.host) },
    peers: { ...peers, host: address('peers.host', peers.host) },
  };
}

// No interface and no host has a slash in its name.
const isNetwork = (text: string) => text.includes('/');

function findLink(setting: string, text: string, links: Links): { name: string; address: string } {
  const prefix = parsePrefix(text);
  for (const [name, entries = []] of Object.entries(links)) {
    const entry = entries.find(
      // A link-local IPv6 address may carry its zone, and is never what is meant.
      ({ address }) => !address.includes('%') && prefixContains(prefix, parseAddress(address)),
    );
    if (entry !== undefined) return { name, address: entry.address };
  }
  throw new NotAtHomeError(`${setting}: no link of this box that is up has an address in ${text}`);
}
