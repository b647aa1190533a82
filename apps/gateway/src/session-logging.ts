/** The session log as this process is told to keep it: in the store, in a file, or not at all. */
import type { RedisFlowStore } from '@flowstore/flow-store';
import type { StoreCall, StoreReply } from '@flowstore/gateway-core';
import type { LogLimit } from '@flowstore/service';
import type { GatewayConfig } from './config.ts';
import { SessionFile } from './session-file.ts';
import { SESSIONS_MAX, type SessionLine, SessionLog } from './session-log.ts';

export class SessionLogging {
  readonly #file: SessionFile | null;
  readonly #log: SessionLog | null;

  constructor(
    { name, sessionLog }: Pick<GatewayConfig, 'name' | 'sessionLog'>,
    store: Pick<RedisFlowStore, 'record'>,
    log: LogLimit,
  ) {
    const { record, file, streamKeepMs } = sessionLog;
    const isOn = record !== 'off';
    const warn = (error: Error) => log.warn({ err: error.message }, 'session log');
    const nowMs = () => performance.now();
    this.#file =
      isOn && file !== undefined
        ? new SessionFile({ ...sessionLog, path: file, onError: warn, nowMs })
        : null;
    const keep = async (lines: readonly SessionLine[]) => {
      const requests = lines.map((line) => ({ ...line, keepMs: streamKeepMs }));
      const isKept = streamKeepMs === 0 || (await store.record(requests));
      if (!isKept) throw new Error('some shards of the store gave no answer');
    };
    const options = { gateway: name, wallMs: Date.now, sessionsMax: SESSIONS_MAX, keep };
    const write = (text: string) => this.#file?.write(text) ?? true;
    this.#log = isOn ? new SessionLog({ ...options, write }) : null;
  }

  /** Lines by what became of them. */
  get counters(): Readonly<Record<string, number>> {
    return this.#log?.counters ?? {};
  }

  async observe(call: StoreCall, reply: StoreReply): Promise<void> {
    await this.#log?.observe(call, reply);
  }

  async close(): Promise<void> {
    await this.#file?.close();
  }
}
