// A gateway's links, cut at their far end: the gateway sees its carrier go, as when a cable is
// pulled, and the router drops its routes over it by itself.
import { ip } from './ip.ts';
import { gatewayName, lanNamespace, managementPort, wanNamespace } from './plan.ts';

export const gatewayLinks = ['inside', 'outside', 'mgmt'] as const;
export type GatewayLink = (typeof gatewayLinks)[number];

export async function setLink(index: number, link: GatewayLink, to: 'up' | 'down'): Promise<void> {
  const router = link === 'inside' ? lanNamespace : wanNamespace;
  const [where, device] =
    link === 'mgmt' ? [[], managementPort(index)] : [['-n', router], gatewayName(index)];
  await ip([...where, 'link', 'set', device, to]);
}
