import type { KubeObject } from '../../schema/types.ts';
import { jsonText, mediaType, parseJson } from '../body.ts';
import type { Runtime } from '../runtime.ts';
import type { RequestContext } from '../types.ts';
import { writeOptions } from '../write-request.ts';

/** PUT of `namespaces/NAME/finalize`: only spec.finalizers changes; without any a namespace that is being deleted goes. */
export async function finalize(runtime: Runtime, context: RequestContext): Promise<KubeObject> {
  const body = parseJson(jsonText(await context.body(), mediaType(context.request))) as KubeObject & {
    spec?: { finalizers?: string[] };
  };
  return runtime.writer.update(
    context.kind,
    undefined,
    context.name ?? '',
    (live) => ({
      ...live,
      metadata: {
        ...live.metadata,
        ...(body.metadata?.resourceVersion && { resourceVersion: body.metadata.resourceVersion }),
      },
      spec: body.spec ?? {},
    }),
    { ...writeOptions(context), subresource: 'finalize' },
  );
}
