/**
 * Where the store is, as one text:
 *
 * ```
 * redis://[user:password@]host[:port][/database]                 one server
 * redis+sentinel://[user:password@]host:port,host:port/master    what Sentinel says is the master
 * redis+cluster://[user:password@]host:port,host:port            a Redis Cluster, by some nodes
 * ```
 *
 * With `rediss` for `redis` it is TLS (to the servers; Sentinels are asked the same way). Ports are
 * 6379, of Sentinels 26379, unless said. What is in user and password is percent-encoded.
 */
export interface StoreNode {
  readonly host: string;
  readonly port: number;
}

export interface StoreUrl {
  readonly kind: 'single' | 'sentinel' | 'cluster';
  readonly nodes: readonly StoreNode[];
  readonly tls: boolean;
  readonly username?: string;
  readonly password?: string;
  readonly database: number;
  /** The name that Sentinel knows the master by; empty where there is no Sentinel. */
  readonly masterName: string;
}

const FORM = /^(redis|rediss)(?:\+(sentinel|cluster))?:\/\/(?:([^@/]*)@)?([^/?#]+)(?:\/([^?#]*))?$/;
const NODE = /^(\[[0-9a-fA-F:.]+\]|[^\s:[\]]+)(?::(\d{1,5}))?$/;
const PORT = 6379;
const SENTINEL_PORT = 26_379;

/** Throws a RangeError, which does not repeat the text: it may hold a password. */
export function parseStoreUrl(text: string): StoreUrl {
  const match = FORM.exec(text);
  if (match === null) throw misread('it must be redis://host:port (redis+sentinel, redis+cluster)');
  const [, scheme, form, user, hosts, path = ''] = match;
  const kind = (form ?? 'single') as StoreUrl['kind'];
  const port = kind === 'sentinel' ? SENTINEL_PORT : PORT;
  const nodes = hosts!.split(',').map((host) => nodeOf(host, port));
  if (kind === 'single' && nodes.length > 1) {
    throw misread('several hosts are for redis+sentinel:// and redis+cluster://');
  }
  return { kind, nodes, tls: scheme === 'rediss', ...credentials(user), ...subject(kind, path) };
}

function nodeOf(text: string, portDefault: number): StoreNode {
  const [, host, digits] = NODE.exec(text) ?? [];
  const port = digits === undefined ? portDefault : Number(digits);
  if (host === undefined || port < 1 || port > 65_535) {
    throw misread('a host is a name or an address, a port 1 to 65535');
  }
  return { host: host.replace(/^\[|\]$/g, ''), port };
}

function credentials(user: string | undefined): { username?: string; password?: string } {
  if (user === undefined || user === '') return {};
  const colon = user.indexOf(':');
  const name = decode(colon < 0 ? user : user.slice(0, colon));
  const password = colon < 0 ? undefined : decode(user.slice(colon + 1));
  return { ...(name !== '' && { username: name }), ...(password && { password }) };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw misread('user and password are to be percent-encoded');
  }
}

/** What the path names: a database, a master, or nothing. */
function subject(kind: StoreUrl['kind'], path: string) {
  if (kind === 'sentinel') {
    if (!/^[\w.-]+$/.test(path)) throw misread('after the Sentinels comes the name of the master');
    return { masterName: path, database: 0 };
  }
  const database = path === '' ? 0 : Number(path);
  if (!/^\d*$/.test(path)) throw misread('after the host comes the number of a database');
  if (kind === 'cluster' && database !== 0) throw misread('a cluster has no databases but 0');
  return { masterName: '', database };
}

function misread(why: string): RangeError {
  return new RangeError(`the store's URL can't be read: ${why}`);
}

/** For messages and logs. */
export function withoutPassword(text: string): string {
  let url: StoreUrl;
  try {
    url = parseStoreUrl(text);
  } catch {
    return '(not a URL)';
  }
  const scheme = `${url.tls ? 'rediss' : 'redis'}${url.kind === 'single' ? '' : `+${url.kind}`}`;
  const hasUser = url.username !== undefined || url.password !== undefined;
  const user = `${url.username ?? ''}${url.password === undefined ? '' : ':***'}`;
  const nodes = url.nodes.map(({ host, port }) => `${/:/.test(host) ? `[${host}]` : host}:${port}`);
  const path =
    url.masterName !== '' ? `/${url.masterName}` : url.database > 0 ? `/${url.database}` : '';
  return `${scheme}://${hasUser ? `${user}@` : ''}${nodes.join(',')}${path}`;
}
