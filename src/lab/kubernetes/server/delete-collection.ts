import type { KubeObject } from '../schema/types.ts';
import { prefixOf } from './keys.ts';
import { listOptions } from './list-options.ts';
import { sendText } from './respond.ts';
import type { Runtime } from './runtime.ts';
import { StatusError } from './status.ts';
import type { RequestContext } from './types.ts';
import { deleteOptions, writeOptions } from './write-request.ts';

/** Deletes what a list would show, one by one, each by the rules of a single deletion; answers with the list. @throws StatusError */
export async function deleteCollection(runtime: Runtime, context: RequestContext): Promise<void> {
  const { kind, namespace, query, request, response } = context;
  const { store, writer } = runtime;
  const { selection, limit } = listOptions(kind, query, 'list');
  const deletion = await deleteOptions(context);
  const options = writeOptions(context);
  if (deletion.dryRun?.length) options.dryRun = true;
  const deleted: KubeObject[] = [];
  let pending: Promise<unknown>[] = [];
  for (const { id } of store.current(prefixOf(kind, namespace))) {
    if (limit > 0 && deleted.length === limit) break;
    const text = store.value(id);
    if (text === undefined || !selection.mayMatch(text)) continue;
    const object = JSON.parse(text) as KubeObject;
    if (!selection.matches(object)) continue;
    deleted.push(object);
    pending.push(
      writer
        .delete(kind, object.metadata?.namespace, object.metadata?.name ?? '', deletion, options)
        .catch((error) => {
          // Somebody else was faster, or it may not go: the others go all the same.
          if (!(error instanceof StatusError) || (error.code !== 404 && error.code !== 409)) throw error;
        }),
    );
    if (pending.length < 100) continue;
    await Promise.all(pending);
    pending = [];
  }
  await Promise.all(pending);
  const items = deleted.map((object) => JSON.stringify(object)).join(',');
  const head = JSON.stringify({
    kind: kind.listKind,
    apiVersion: kind.group ? `${kind.group}/${kind.version}` : kind.version,
    metadata: { resourceVersion: String(store.revision) },
  });
  sendText(request, response, 200, `${head.slice(0, -1)},"items":[${items}]}`);
}
