/** The topology's Prometheus, asked as Grafana asks it. */
import { docker } from './docker.ts';
import type { Topology } from './topology.ts';

/** What a dashboard's panels show. */
export function expressionsOf(dashboard: string): string[] {
  const { panels } = JSON.parse(dashboard) as { panels: { targets?: { expr: string }[] }[] };
  return panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
}

export class Prometheus {
  readonly #url: string;

  private constructor(url: string) {
    this.#url = url;
  }

  static async of(topology: Topology): Promise<Prometheus> {
    const [published = ''] = (await docker(['port', topology.name('prometheus-1'), '9090'])).split(
      '\n',
    );
    return new Prometheus(`http://${published}`);
  }

  /** The series that an expression has now; throws what Prometheus says of a wrong one. */
  async values(expression: string): Promise<unknown[]> {
    const query = new URLSearchParams({ query: expression });
    const reply = await fetch(`${this.#url}/api/v1/query?${query}`).catch(() => undefined);
    // It is about to start.
    if (reply === undefined) return [];
    const { error, data } = (await reply.json()) as { error?: string; data: { result: unknown[] } };
    if (error !== undefined) throw new Error(`${expression}: ${error}`);
    return data.result;
  }
}
