import type { KubeObject } from '../../schema/types.ts';
import { jsonText, mediaType, parseJson } from '../body.ts';
import { timestamp } from '../metadata.ts';
import type { Runtime } from '../runtime.ts';
import { conflict, invalid } from '../status.ts';
import type { RequestContext } from '../types.ts';
import { writeOptions } from '../write-request.ts';

interface BoundPod extends KubeObject {
  spec?: { nodeName?: string };
  status?: { conditions?: { type: string; status: string; lastTransitionTime?: string }[] };
}

const BINDING = { group: '', plural: 'pods/binding' };

/** POST of `pods/NAME/binding` or of a Binding: the scheduler gives a pod its node, once. @throws StatusError 409 when it has one */
export async function bind(runtime: Runtime, context: RequestContext): Promise<KubeObject> {
  const body = parseJson(jsonText(await context.body(), mediaType(context.request))) as KubeObject & {
    target?: { kind?: string; name?: string };
  };
  const name = context.name ?? body.metadata?.name ?? '';
  const { target } = body;
  if (!target?.name)
    throw invalid({ group: '', kind: 'Binding' }, name, [
      { field: 'target.name', type: 'FieldValueRequired', message: 'Required value' },
    ]);
  if (target.kind && target.kind !== 'Node')
    throw invalid({ group: '', kind: 'Binding' }, name, [
      {
        field: 'target.kind',
        type: 'FieldValueNotSupported',
        message: `Unsupported value: ${JSON.stringify(target.kind)}: supported values: "Node", "<empty>"`,
      },
    ]);
  const node = target.name;
  const pods = runtime.plugins.kinds.find({ group: '', version: 'v1', plural: 'pods' })!;
  await runtime.writer.update(
    pods,
    context.namespace,
    name,
    (live) => {
      const pod = structuredClone(live) as BoundPod;
      const { uid, resourceVersion, annotations } = body.metadata ?? {};
      if (uid && uid !== pod.metadata?.uid)
        throw conflict(
          BINDING,
          name,
          `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${pod.metadata?.uid}`,
        );
      if (resourceVersion && resourceVersion !== pod.metadata?.resourceVersion)
        throw conflict(
          BINDING,
          name,
          `Precondition failed: ResourceVersion in precondition: ${resourceVersion}, ResourceVersion in object meta: ${pod.metadata?.resourceVersion}`,
        );
      if (pod.metadata?.deletionTimestamp)
        throw conflict(BINDING, name, `pod ${name} is being deleted, cannot be assigned to a host`);
      if (pod.spec?.nodeName)
        throw conflict(
          BINDING,
          name,
          `pod ${name} is already assigned to node ${JSON.stringify(pod.spec.nodeName)}`,
        );
      pod.spec = { ...pod.spec, nodeName: node };
      if (annotations)
        pod.metadata = { ...pod.metadata, annotations: { ...pod.metadata?.annotations, ...annotations } };
      const conditions = (pod.status?.conditions ?? []).filter((one) => one.type !== 'PodScheduled');
      conditions.push({ type: 'PodScheduled', status: 'True', lastTransitionTime: timestamp(context.now) });
      pod.status = { ...pod.status, conditions };
      return pod;
    },
    { ...writeOptions(context), subresource: 'binding' },
  );
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 };
}
