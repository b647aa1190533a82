import { expect, test } from 'vitest';
import { InOrder } from './in-order.ts';

test('nothing overtakes what was added before, though that was waited for in vain', async () => {
  const order = new InOrder();
  const ran: string[] = [];
  const [slow, failing] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  order.add(slow.promise, () => ran.push('slow'));
  order.add(failing.promise, () => ran.push('failing'));
  const last = new Promise<void>((resolve) => {
    order.add(Promise.resolve(), () => {
      ran.push('quick');
      resolve();
    });
  });
  failing.reject(new Error('away'));
  await Promise.resolve();
  expect(ran).toEqual([]);
  slow.resolve();
  await last;
  expect(ran).toEqual(['slow', 'failing', 'quick']);
});
