/** A Redis Cluster of three masters for tests, on loopback ports of its own. */
import { Redis } from 'ioredis';
import { freePort, type ServerProcess, startServer } from './server-process.ts';

export interface TestCluster {
  readonly url: string;
  readonly masters: readonly ServerProcess[];
  stop(): Promise<void>;
}

const MASTERS = 3;
const SLOTS = 16_384;
const PATIENCE_MS = 20_000;

export async function startCluster(serverArguments: readonly string[] = []): Promise<TestCluster> {
  const nodes: { server: ServerProcess; busPort: number }[] = [];
  const stop = async () => {
    await Promise.all(nodes.map(({ server }) => server.stop()));
  };
  try {
    while (nodes.length < MASTERS) {
      const busPort = await freePort();
      const cluster = ['--cluster-enabled', 'yes', '--cluster-node-timeout', '1000'];
      const bus = ['--cluster-port', String(busPort)];
      nodes.push({ server: await startServer([...cluster, ...bus, ...serverArguments]), busPort });
    }
    await join(nodes.map(({ server, busPort }) => ({ port: server.port, busPort })));
  } catch (error) {
    await stop();
    throw error;
  }
  const masters = nodes.map(({ server }) => server);
  const hosts = masters.map(({ port }) => `127.0.0.1:${port}`).join(',');
  return { url: `redis+cluster://${hosts}`, masters, stop };
}

/** Deals the slots, introduces the nodes to each other, and waits until all agree. */
async function join(nodes: readonly { port: number; busPort: number }[]): Promise<void> {
  const clients = nodes.map(({ port }) => new Redis({ host: '127.0.0.1', port, protocol: 2 }));
  const limitMs = performance.now() + PATIENCE_MS;
  try {
    for (const [i, client] of clients.entries()) {
      const first = Math.floor((SLOTS * i) / nodes.length);
      const last = Math.floor((SLOTS * (i + 1)) / nodes.length) - 1;
      await client.call('CLUSTER', 'ADDSLOTSRANGE', first, last);
      const { port, busPort } = nodes[0]!;
      if (i > 0) await client.call('CLUSTER', 'MEET', '127.0.0.1', port, busPort);
    }
    for (const client of clients) {
      while (!(await isWhole(client))) {
        if (performance.now() > limitMs) throw new Error('the cluster does not come together');
      }
    }
  } finally {
    for (const client of clients) client.disconnect();
  }
}

async function isWhole(client: Redis): Promise<boolean> {
  const info = String(await client.call('CLUSTER', 'INFO'));
  return info.includes('cluster_state:ok') && info.includes(`cluster_known_nodes:${MASTERS}`);
}
