import { Lab } from '@flowstore/lab';
import { runChaos } from './chaos.ts';
import { LOAD_DEFAULT } from './traffic-run.ts';
import { nowMs } from './clock.ts';
const step = (kind: any, over: any = {}) => ({ kind, target: 0, lastsMs: 12_000, pauseMs: 5_000, variant: false, together: false, ...over });
const steps = [step('gatewayKill', { variant: true, lastsMs: 2000, pauseMs: 2000 }), step('storeRestartEmpty', { lastsMs: 2000, pauseMs: 2000 }), step('gatewayStop', { target: 2, pauseMs: 13_000, lastsMs: 3_000 }), step('storePause'), step('storePause', { pauseMs: 16_000 }), step('storePause', { pauseMs: 16_000 })];
const lab = new Lab();
const before: any = {};
let busy = false;
const timer = setInterval(async () => {
  if (busy) return; busy = true;
  for (const g of ['gw1', 'gw2', 'gw3']) {
    try {
      const m = await lab.metrics(g);
      const said: string[] = [];
      for (const [k, v] of Object.entries(m)) {
        if (!/outage|partition|hand|drop|refused|flows_voided|state|stale|provisional|vouch|gap|peers/.test(k)) continue;
        const b = before[g]?.[k];
        if (b !== undefined && b !== v) said.push(`${k.replace('flowstore_', '')}+${v - b}`);
      }
      before[g] = m;
      if (said.length) console.error(`${(nowMs() / 1000).toFixed(1)} ${g} ${said.join(' ')}`);
    } catch {}
  }
  busy = false;
}, 500);
const r = await runChaos({ seed: 1, store: 'single', figures: 'short', log: (l) => console.error((nowMs()/1000).toFixed(1), l), minutes: 0.5, load: { ...LOAD_DEFAULT, dnsPerS: 30 }, steps });
clearInterval(timer);
console.error(JSON.stringify(r.windows.map((w) => [w.kind, (w.fromMs/1000).toFixed(1), (w.toMs/1000).toFixed(1)])));
console.error(JSON.stringify(r.violations, null, 1));
