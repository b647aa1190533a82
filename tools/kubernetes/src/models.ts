/** Manifests as what they claim to be, so that Kubernetes' own schema can be asked about them. */
import { DaemonSet } from 'kubernetes-models/apps/v1/DaemonSet';
import { Deployment } from 'kubernetes-models/apps/v1/Deployment';
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1/PodDisruptionBudget';
import { ConfigMap } from 'kubernetes-models/v1/ConfigMap';
import { Namespace } from 'kubernetes-models/v1/Namespace';
import { parseAllDocuments } from 'yaml';

const models = { ConfigMap, DaemonSet, Deployment, PodDisruptionBudget, Namespace };
export type Model = ConfigMap | DaemonSet | Deployment | PodDisruptionBudget | Namespace;

/** Not validated yet: `model.validate()` throws what the schema says. */
export function modelsIn(text: string): Model[] {
  return parseAllDocuments(text).map((document) => {
    const data = document.toJS({ maxAliasCount: 10 }) as { kind: keyof typeof models };
    const Kind = models[data.kind] as new (data: object) => Model;
    if (Kind === undefined) throw new Error(`no model for a manifest of kind ${data.kind}`);
    return new Kind(data);
  });
}
