/** The metrics that every app has, beside its own. */
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';

/** A registry with Node's own metrics and `flowstore_build_info{app, version}`. */
export function createRegistry(about: { app: string; version: string }): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const info = new Gauge({
    name: 'flowstore_build_info',
    help: 'Always 1; the labels say what runs',
    labelNames: ['app', 'version'],
    registers: [registry],
  });
  info.set(about, 1);
  return registry;
}
