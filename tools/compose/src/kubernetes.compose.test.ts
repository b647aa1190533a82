// deploy, rendered by the real Kustomize: what a cluster would be told.
import { fileURLToPath } from 'node:url';
import { modelsIn } from '@flowstore/kubernetes';
import { describe, expect, it } from 'vitest';
import { composeSkipReason, docker } from './testing/docker.ts';

const skip = composeSkipReason() ?? '';
const why = skip === '' ? '' : ` (${skip})`;
const deploy = fileURLToPath(new URL('../../../deploy', import.meta.url));
const image = process.env.KUBECTL_IMAGE ?? 'registry.k8s.io/kubectl:v1.33.4';

describe.skipIf(skip)(`for Kubernetes${why}`, { timeout: 300_000 }, () => {
  it('kubectl renders what the schema accepts, images and configuration filled in', async () => {
    const kubectl = ['run', '--rm', '--network', 'none', '--entrypoint', 'kubectl'];
    const mount = ['--volume', `${deploy}:/deploy:ro`];
    const rendered = await docker([...kubectl, ...mount, image, 'kustomize', '/deploy']);
    const models = modelsIn(rendered);
    for (const model of models) expect(() => model.validate()).not.toThrow();
    const kinds = models.map(({ kind }) => kind).sort();
    const workloads = ['DaemonSet', 'Deployment', 'Namespace', 'PodDisruptionBudget'];
    expect(kinds).toEqual(['ConfigMap', ...workloads]);
    expect(rendered).toMatch(/image: flowstore\/gateway:local/);
    // The generated name, with the configuration's hash: a changed one starts new pods.
    const [, name] = / name: (flowstore-\w+)$/m.exec(rendered) ?? [];
    expect(rendered.split(`name: ${name}\n`)).toHaveLength(4);
  });
});
