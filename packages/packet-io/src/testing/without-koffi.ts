/** What works where koffi is not installed; answers with what the parts said. */
import { registerHooks } from 'node:module';

registerHooks({
  resolve(specifier, context, nextResolve) {
    if (specifier === 'koffi') throw new Error('koffi is hidden by the test');
    return nextResolve(specifier, context);
  },
});

const { bootClock, createMemoryLink, createWaiter, openAfPacket } = await import('../index.ts');

function codeOf(attempt: () => unknown): unknown {
  try {
    attempt();
    return 'worked';
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
}

const clock = bootClock();
const startMs = clock();
const answer = {
  memoryLink: codeOf(() => createMemoryLink('a', 'b')),
  clock: clock() >= startMs,
  waiter: codeOf(() => createWaiter([])),
  wire: codeOf(() => openAfPacket({ interfaceName: 'lo' })),
};
process.stdout.write(`${JSON.stringify(answer)}\n`);
