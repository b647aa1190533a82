/** A Redis Cluster of three masters for tests, with replicas if wanted, on loopback. */
import { Redis } from 'ioredis';
import { freePort, type ServerProcess, startServer } from './server-process.ts';
import { haveWrites } from './start-sentinel.ts';

export interface TestCluster {
  readonly url: string;
  readonly masters: readonly ServerProcess[];
  /** The n-th is the n-th master's, and so on around; empty unless wanted. */
  readonly replicas: readonly ServerProcess[];
  stop(): Promise<void>;
}

interface Node extends ServerProcess {
  readonly busPort: number;
}

const MASTERS = 3;
const SLOTS = 16_384;
const PATIENCE_MS = 20_000;

/** With so many replicas for each master. */
export async function startCluster({ replicas = 0 } = {}): Promise<TestCluster> {
  const nodes: Node[] = [];
  const stop = async () => {
    await Promise.all(nodes.map((node) => node.stop()));
  };
  try {
    while (nodes.length < (1 + replicas) * MASTERS) nodes.push(await startNode());
    await join(nodes);
  } catch (error) {
    await stop();
    throw error;
  }
  const masters = nodes.slice(0, MASTERS);
  const hosts = masters.map(({ port }) => `127.0.0.1:${port}`).join(',');
  return {
    url: `redis+cluster://${hosts}`,
    masters,
    replicas: nodes.slice(MASTERS),
    stop,
  };
}

async function startNode(): Promise<Node> {
  const busPort = await freePort();
  const cluster = ['--cluster-enabled', 'yes', '--cluster-node-timeout', '1000'];
  const coverage = ['--cluster-require-full-coverage', 'no'];
  // A replica may take over however long it was without its master.
  const bus = ['--cluster-port', String(busPort), '--cluster-replica-validity-factor', '0'];
  return { ...(await startServer([...cluster, ...coverage, ...bus])), busPort };
}

/** Introduces the nodes to each other, deals slots and replicas, and waits until all agree. */
async function join(nodes: readonly Node[]): Promise<void> {
  const clients = nodes.map(({ port }) => new Redis({ host: '127.0.0.1', port, protocol: 2 }));
  const limitMs = performance.now() + PATIENCE_MS;
  const untilTrue = async (holds: () => Promise<boolean>) => {
    while (!(await holds())) {
      if (performance.now() > limitMs) throw new Error('the cluster does not come together');
    }
  };
  const until = (client: Redis, ...signs: string[]) =>
    untilTrue(async () => {
      const info = `${await client.call('CLUSTER', 'INFO')}${await client.info('replication')}`;
      return signs.every((sign) => info.includes(sign));
    });
  try {
    for (const [i, client] of clients.entries()) {
      const [first, last] = [i, i + 1].map((k) => Math.floor((SLOTS * k) / MASTERS));
      if (i < MASTERS) await client.call('CLUSTER', 'ADDSLOTSRANGE', first!, last! - 1);
      const { port, busPort } = nodes[0]!;
      if (i > 0) await client.call('CLUSTER', 'MEET', '127.0.0.1', port, busPort);
    }
    const known = `cluster_known_nodes:${nodes.length}`;
    for (const client of clients) await until(client, 'cluster_state:ok', known);
    for (const [i, client] of clients.slice(MASTERS).entries()) {
      const master = clients[i % MASTERS]!;
      await client.call('CLUSTER', 'REPLICATE', String(await master.call('CLUSTER', 'MYID')));
      await until(client, 'master_link_status:up');
      await untilTrue(() => haveWrites(master, 1 + Math.floor(i / MASTERS)));
    }
    const replicas = nodes.length / MASTERS - 1;
    for (const client of clients.slice(0, MASTERS)) {
      await untilTrue(() => knowsReplicas(client, replicas));
    }
  } finally {
    for (const client of clients) client.disconnect();
  }
}

/** Masters learn of each other's replicas by gossip, and clients ask any of them. */
async function knowsReplicas(client: Redis, replicas: number): Promise<boolean> {
  const ranges = (await client.call('CLUSTER', 'SLOTS')) as unknown[][];
  // From, to, master, and the replicas after it.
  return ranges.every((range) => range.length === 3 + replicas);
}
