import type { KubeObject } from '../schema/types.ts';
import type { Attributes, Decision, Identity } from '../server/types.ts';

const PREFIX = 'system:node:';

/** The node that a kubelet speaks for, undefined for everybody else. */
export function nodeOf(identity: Identity): string | undefined {
  return identity.name.startsWith(PREFIX) && identity.groups.includes('system:nodes')
    ? identity.name.slice(PREFIX.length)
    : undefined;
}

/** `secrets/ns/name` and the like: everything that a pod's node must read for it. */
function referencesOf(pod: KubeObject): Set<string> {
  const namespace = pod.metadata?.namespace ?? '';
  const found = new Set<string>();
  const add = (plural: string, name: unknown): void => {
    if (typeof name === 'string' && name !== '') found.add(`${plural}/${namespace}/${name}`);
  };
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) {
      for (const each of value) visit(each);
      return;
    }
    if (typeof value !== 'object' || value === null) return;
    for (const [key, inner] of Object.entries(value as Record<string, Record<string, unknown> | null>)) {
      if (key === 'secret') add('secrets', inner?.secretName ?? inner?.name);
      else if (key === 'secretRef' || key === 'secretKeyRef') add('secrets', inner?.name);
      else if (key === 'configMap' || key === 'configMapRef' || key === 'configMapKeyRef')
        add('configmaps', inner?.name);
      else if (key === 'persistentVolumeClaim') add('persistentvolumeclaims', inner?.claimName);
      else visit(inner);
    }
  };
  const spec = (pod.spec ?? {}) as Record<string, unknown>;
  for (const each of (spec.imagePullSecrets as { name?: string }[] | undefined) ?? [])
    add('secrets', each.name);
  for (const part of ['volumes', 'containers', 'initContainers', 'ephemeralContainers']) visit(spec[part]);
  add('serviceaccounts', spec.serviceAccountName ?? 'default');
  return found;
}

interface KnownPod {
  readonly node: string;
  readonly references: ReadonlySet<string>;
}

const NO = (reason: string): Decision => ({ allowed: false, reason });
const UNRELATED = 'no relationship found between node';

/**
 * Which Secrets, ConfigMaps and ServiceAccounts a node has business with: those of the pods bound to it. Told of every pod;
 * references of a pod do not change once it is bound.
 */
export class NodeAccess {
  readonly #pods = new Map<string, KnownPod>();
  /** By node and reference, how many of its pods need it. */
  readonly #needs = new Map<string, Map<string, number>>();

  /** Whether the pod's references are known, so that a change of it has no news. */
  knows(namespace: string | undefined, name: string): boolean {
    return this.#pods.has(`${namespace}/${name}`);
  }

  put(pod: KubeObject): void {
    const { namespace, name = '' } = pod.metadata ?? {};
    const node = (pod.spec as { nodeName?: string } | undefined)?.nodeName;
    if (!node) return;
    this.delete(namespace, name);
    const references = referencesOf(pod);
    this.#pods.set(`${namespace}/${name}`, { node, references });
    const needs = this.#needs.get(node) ?? new Map<string, number>();
    this.#needs.set(node, needs);
    for (const reference of references) needs.set(reference, (needs.get(reference) ?? 0) + 1);
  }

  delete(namespace: string | undefined, name: string): void {
    const pod = this.#pods.get(`${namespace}/${name}`);
    if (!pod) return;
    this.#pods.delete(`${namespace}/${name}`);
    const needs = this.#needs.get(pod.node);
    for (const reference of pod.references) {
      const left = (needs?.get(reference) ?? 0) - 1;
      if (left > 0) needs?.set(reference, left);
      else needs?.delete(reference);
    }
    if (needs?.size === 0) this.#needs.delete(pod.node);
  }

  /** What the Node authorizer says to a kubelet; undefined where only its role decides. */
  decide(node: string, attributes: Attributes): Decision | undefined {
    if (!attributes.isResource) return undefined;
    const { group = '', resource = '', verb, namespace = '', name = '', subresource } = attributes;
    if (group === 'coordination.k8s.io' && resource === 'leases') {
      if (namespace !== 'kube-node-lease')
        return NO(`can only access leases in the "kube-node-lease" system namespace`);
      return verb === 'create' || name === node
        ? { allowed: true, reason: '' }
        : NO(`can only access node lease with the same name as the requesting node`);
    }
    if (group !== '') return undefined;
    const path = `${resource}/${namespace}/${name}`;
    if (resource === 'secrets' || resource === 'configmaps' || resource === 'persistentvolumeclaims') {
      if (!['get', 'list', 'watch'].includes(verb) || subresource)
        return NO(`can only read resources of this type`);
      if (name === '') return NO('No Object name found');
      if (this.#needs.get(node)?.has(path)) return { allowed: true, reason: '' };
      return NO(`${UNRELATED} '${node}' and this object`);
    }
    if (resource === 'serviceaccounts') {
      if (verb === 'create' && subresource === 'token' && this.#needs.get(node)?.has(path))
        return { allowed: true, reason: '' };
      return NO(`${UNRELATED} '${node}' and this object`);
    }
    return undefined;
  }
}
