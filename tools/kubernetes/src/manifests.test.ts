// deploy/kubernetes is well-formed by Kubernetes' schema, and its parts fit each other.
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { DaemonSet } from 'kubernetes-models/apps/v1/DaemonSet';
import { Deployment } from 'kubernetes-models/apps/v1/Deployment';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { modelsIn } from './models.ts';

const deploy = fileURLToPath(new URL('../../../deploy', import.meta.url));
const read = (file: string) => readFileSync(`${deploy}/${file}`, 'utf8');

const files = readdirSync(`${deploy}/kubernetes`);
const all = files.flatMap((file) => modelsIn(read(`kubernetes/${file}`)));
const gateway = all.find((each) => each instanceof DaemonSet) as DaemonSet;
const reaper = all.find((each) => each instanceof Deployment) as Deployment;
const podOf = (workload: DaemonSet | Deployment) => workload.spec?.template?.spec;

test.each(all.map((model) => [`${model.kind} ${model.metadata?.name}`, model] as const))(
  '%s is what Kubernetes’ schema wants',
  (_, model) => {
    expect(() => model.validate()).not.toThrow();
  },
);

test('the schema would find a fault', () => {
  const faulty = read('kubernetes/gateway.yaml').replace(
    'containerPort: 9464',
    'containerPort: http',
  );
  expect(() => modelsIn(faulty)[0]?.validate()).toThrow(/containerPort/);
});

test('Kustomize is told of every file, of the configurations and of both images', () => {
  const kustomization = parse(read('kustomization.yaml'));
  expect([...kustomization.resources].sort()).toEqual(
    files.map((file) => `kubernetes/${file}`).sort(),
  );
  for (const { files: configs } of kustomization.configMapGenerator) {
    for (const config of configs) expect(() => parse(read(config))).not.toThrow();
  }
  const named = kustomization.images.map(({ name }: { name: string }) => name);
  const used = [gateway, reaper].flatMap((each) =>
    podOf(each)?.containers.map(({ image }) => image),
  );
  expect(named.sort()).toEqual([...new Set(used)].sort());
});

describe.each([
  ['gateway', gateway, 9464],
  ['reaper', reaper, 9465],
] as const)('the %s', (name, workload, port) => {
  const pod = podOf(workload);
  const container = pod?.containers[0];

  test('is found by its selector', () => {
    const labels = workload.spec?.template?.metadata?.labels;
    expect(labels).toEqual(workload.spec?.selector?.matchLabels);
    expect(labels).toMatchObject({ part: name });
  });

  test('is asked where it listens, reads the file that is mounted, and is not root', () => {
    expect(container?.ports).toContainEqual(
      expect.objectContaining({ name: 'http', containerPort: port }),
    );
    for (const probe of [container?.readinessProbe, container?.livenessProbe]) {
      expect(probe?.httpGet?.port).toBe('http');
    }
    expect(container?.args).toEqual(['--config', `/etc/flowstore/${name}.yaml`]);
    expect(container?.volumeMounts?.[0]?.mountPath).toBe('/etc/flowstore');
    expect(pod?.volumes?.[0]?.configMap?.name).toBe('flowstore');
    expect(pod?.securityContext).toEqual({ runAsNonRoot: true, runAsUser: 1000 });
  });

  test('has the capabilities that it needs, and no other', () => {
    const { drop, add = [] } = container?.securityContext?.capabilities ?? {};
    expect(drop).toEqual(['ALL']);
    expect(add).toEqual(name === 'gateway' ? ['NET_ADMIN', 'NET_RAW'] : []);
    expect(container?.securityContext?.privileged).toBeUndefined();
  });
});
