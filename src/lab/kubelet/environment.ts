import { expand } from './expand.ts';
import { podField } from './fields.ts';
import type { Container, EnvVar, KubeletPod, Service } from './model.ts';
import { containerResource, type NodeResources } from './resources.ts';
import { serviceEnvironment } from './service-environment.ts';

/** A container that cannot be made from its specification: reason `CreateContainerConfigError`. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/** ConfigMaps and Secrets by name in the pod's namespace; their values as text. Undefined: there is none. */
export interface ObjectData {
  configMap(name: string): Promise<ReadonlyMap<string, string> | undefined>;
  secret(name: string): Promise<ReadonlyMap<string, string> | undefined>;
}

export interface EnvironmentSources {
  readonly data: ObjectData;
  /** Of the pod's namespace, and `default/kubernetes`. */
  readonly services: readonly Service[];
  readonly podIps: readonly string[];
  readonly nodeIps: readonly string[];
  readonly node: NodeResources;
}

/**
 * A container's variables as Kubernetes makes them: from `envFrom`, then `env` in order, each of which may use the
 * ones before it, and service variables where nothing else has the name.
 *
 * @throws ConfigError with upstream's message for what is referred to and not there
 */
export async function containerEnvironment(
  pod: KubeletPod,
  container: Container,
  sources: EnvironmentSources,
): Promise<Map<string, string>> {
  const result = new Map<string, string>();
  for (const from of container.envFrom ?? []) {
    for (const [key, value] of await wholeObject(from, sources.data)) {
      const name = (from.prefix ?? '') + key;
      // Names that no program could have are left out, as upstream does with an event.
      if (name !== '' && !name.includes('=')) result.set(name, value);
    }
  }
  const services = serviceEnvironment(sources.services, pod.namespace, pod.spec.enableServiceLinks ?? true);
  const lookup = (name: string): string | undefined => result.get(name) ?? services.get(name);
  for (const variable of container.env ?? []) {
    const value =
      variable.valueFrom === undefined
        ? expand(variable.value ?? '', lookup)
        : await valueFrom(pod, container, variable, sources);
    if (value !== undefined) result.set(variable.name, value);
  }
  for (const [name, value] of services) if (!result.has(name)) result.set(name, value);
  return result;
}

type EnvFrom = NonNullable<Container['envFrom']>[number];

async function wholeObject(from: EnvFrom, data: ObjectData): Promise<ReadonlyMap<string, string>> {
  const [kind, ref] = from.configMapRef ? ['configmap', from.configMapRef] : ['secret', from.secretRef];
  if (!ref) return new Map();
  const name = ref.name ?? '';
  const found = await (kind === 'configmap' ? data.configMap(name) : data.secret(name));
  if (!found && !ref.optional) throw new ConfigError(notFound(kind ?? '', name));
  return found ?? new Map();
}

function notFound(kind: string, name: string): string {
  return `${kind} "${name}" not found`;
}

/** Undefined: optional and not there. */
async function valueFrom(
  pod: KubeletPod,
  container: Container,
  variable: EnvVar,
  sources: EnvironmentSources,
): Promise<string | undefined> {
  const { fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef } = variable.valueFrom ?? {};
  if (fieldRef) {
    const value = podField(pod, fieldRef.fieldPath, sources);
    if (value === undefined) throw new ConfigError(`field label not supported: ${fieldRef.fieldPath}`);
    return value;
  }
  if (resourceFieldRef) {
    const of =
      [...pod.spec.containers, ...(pod.spec.initContainers ?? [])].find(
        (each) => each.name === resourceFieldRef.containerName,
      ) ?? container;
    return containerResource(of, resourceFieldRef.resource, resourceFieldRef.divisor, sources.node);
  }
  const [kind, ref] = configMapKeyRef ? ['ConfigMap', configMapKeyRef] : ['Secret', secretKeyRef];
  if (!ref) throw new ConfigError(`env ${variable.name}: valueFrom names no source`);
  const name = ref.name ?? '';
  const found = await (configMapKeyRef ? sources.data.configMap(name) : sources.data.secret(name));
  const value = found?.get(ref.key);
  if (value !== undefined || ref.optional) return value;
  if (!found) throw new ConfigError(notFound(configMapKeyRef ? 'configmap' : 'secret', name));
  throw new ConfigError(`couldn't find key ${ref.key} in ${kind} ${pod.namespace}/${name}`);
}
