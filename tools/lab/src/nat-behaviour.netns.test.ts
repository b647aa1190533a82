// RFC 5780: a STUN server with two addresses finds out how the NAT behaves, with real kernels at
// both ends and ECMP over three gateways: it must be what the configuration promises.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Lab } from './index.ts';
import { labSkipReason, refuseToShareTheLab } from './test-support.ts';

const skip = labSkipReason() ?? '';
const why = skip === '' ? '' : ` (${skip})`;
const sockets = 24;
const address = '198.51.100.10';
const otherAddress = '198.51.100.11';

describe.skipIf(skip)(`the NAT as STUN sees it${why}`, () => {
  const lab = new Lab();

  beforeAll(() => refuseToShareTheLab(lab));
  afterAll(async () => {
    await lab.down();
  });

  async function findOut(filtering: string | undefined) {
    const config = filtering === undefined ? {} : { cluster: { filtering: { udp: filtering } } };
    await lab.up({ gateways: 3, config });
    await lab.exec('server1', 'sh', ['-c', `ip addr add ${otherAddress}/24 dev $(${deviceOf})`]);
    const server = lab.traffic('server1', 'stun-server', [
      ...['--address', address, '--other-address', otherAddress],
    ]);
    await server.waitFor('started', 10_000);
    const client = lab.traffic('client1', 'nat-behaviour', ['--sockets', `${sockets}`]);
    const { mapping, filtering: found } = await client.summary(60_000);
    await server.stop();
    await lab.down();
    return { mapping, filtering: found };
  }

  it.each([
    [undefined, 'endpoint-independent'],
    ['address-dependent', 'address-dependent'],
    ['address-and-port-dependent', 'address-and-port-dependent'],
  ])('filtering %s: endpoint-independent mapping, %s filtering', async (configured, expected) => {
    expect(await findOut(configured)).toEqual({
      mapping: { 'endpoint-independent': sockets },
      filtering: { [expected]: sockets },
    });
  });
});

/** The link that has the server's address. */
const deviceOf = `ip -o -4 addr show | awk '/${address.replaceAll('.', '\\.')}\\// {print $2}'`;
