/** What the drain is told as, and what it is held against. */
import { availableParallelism, loadavg } from 'node:os';
import { round } from '../figures.ts';
import type { DrainResult } from './drain-bench.ts';

const NAIVE_RATIO = 10;
const FLOOR_RATIO = 3;
const HOLD_P99_MS = 0.5;

function targets({ flowsPerS, serverUs, holdP99Ms, naiveFlowsPerS, delServerUs }: DrainResult) {
  const naive = flowsPerS / naiveFlowsPerS;
  const floor = serverUs / delServerUs;
  return [
    {
      name: `at least ${NAIVE_RATIO} times the naive loop`,
      value: naive,
      met: naive >= NAIVE_RATIO,
    },
    { name: `at most ${FLOOR_RATIO} DELs per flow`, value: floor, met: floor <= FLOOR_RATIO },
    {
      name: `a call holds the server ${HOLD_P99_MS} ms at p99`,
      value: holdP99Ms,
      met: holdP99Ms <= HOLD_P99_MS,
    },
  ].map((target) => ({ ...target, value: round(target.value) }));
}

export function drainReportLines(result: DrainResult): string[] {
  const { flows, flowsPerS, serverUs, queueServerUs, reaperUs, holdP99Ms } = result;
  const perS = (value: number) => `${Math.round(value)} flows/s`;
  return [
    `drained ${flows} flows: ${perS(flowsPerS)}`,
    `CPU per flow: server ${round(serverUs)} us, BullMQ's server ${round(queueServerUs)} us, ` +
      `reaper ${round(reaperUs)} us`,
    `a call holds the server, p99: ${round(holdP99Ms)} ms`,
    `naive SCAN + GET + DEL: ${perS(result.naiveFlowsPerS)}`,
    `floor, pipelined DEL of the same keys: ${round(result.delServerUs)} us`,
    '',
    ...targets(result).map(
      ({ name, value, met }) => `${met ? 'met' : 'MISSED'}: ${name}: ${value}`,
    ),
  ];
}

export function drainJson(result: DrainResult): object {
  const { flows, flowsPerS, serverUs, queueServerUs, reaperUs, holdP99Ms } = result;
  return {
    drain: {
      flows,
      flowsPerS: Math.round(flowsPerS),
      serverUs: round(serverUs),
      queueServerUs: round(queueServerUs),
      bullmqShare: round(queueServerUs / (serverUs + queueServerUs)),
      reaperUs: round(reaperUs),
      holdP99Ms: round(holdP99Ms),
    },
    naive: { flowsPerS: Math.round(result.naiveFlowsPerS) },
    floor: { delServerUs: round(result.delServerUs) },
    targets: targets(result),
    machine: { cores: availableParallelism(), node: process.version, load1: round(loadavg()[0]!) },
  };
}
