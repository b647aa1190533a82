/** Waits once, for up to ten seconds, and says so before and after. */
import { parentPort } from 'node:worker_threads';
import { createWaiter } from '../waiter.ts';

const waiter = createWaiter([]);
parentPort!.postMessage({ wakeFd: waiter.wakeFd });
waiter.wait(10_000);
parentPort!.postMessage({ woken: true });
waiter.close();
