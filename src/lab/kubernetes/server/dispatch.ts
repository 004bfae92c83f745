import type { KubeObject } from '../schema/types.ts';
import { deleteCollection } from './delete-collection.ts';
import { list } from './list.ts';
import type { Runtime } from './runtime.ts';
import { methodNotAllowed, noSuchPath, qualified } from './status.ts';
import { bind } from './subresources/binding.ts';
import { evict } from './subresources/eviction.ts';
import { finalize } from './subresources/finalize.ts';
import { scale } from './subresources/scale.ts';
import type { RequestContext } from './types.ts';
import { watch } from './watch-request.ts';
import { create, get, patch, remove, sendObject, update } from './write-request.ts';

type Handler = (runtime: Runtime, context: RequestContext) => Promise<void>;

const VERBS: Record<string, Handler> = {
  get,
  list,
  watch,
  create,
  update,
  patch,
  delete: remove,
  deletecollection: deleteCollection,
};

/** Subresources with a handler here, by resource/subresource; others come by `Plugins.connect`. */
const SUBRESOURCES: Record<string, (runtime: Runtime, context: RequestContext) => Promise<KubeObject>> = {
  'pods/binding': bind,
  'pods/eviction': evict,
  bindings: bind,
  'namespaces/finalize': finalize,
};
/** These write their parent by its own rules. */
const PARENT_WRITES = new Set(['status', 'ephemeralcontainers', 'resize', 'approval']);

/** Answers a request for a resource of a kind that is served. @throws StatusError */
export async function dispatch(runtime: Runtime, context: RequestContext): Promise<void> {
  const { kind, subresource, verb, name } = context;
  const resource = subresource ? `${qualified(kind)}/${subresource}` : qualified(kind);
  const connect = runtime.plugins.connect.get(resource);
  if (connect) {
    const object = await connect(context, runtime.access);
    if (object) sendObject(runtime, context, verb === 'create' ? 201 : 200, object);
    return;
  }
  if (!subresource) {
    if (kind.plural === 'bindings' && kind.group === '') return own(runtime, context, 'bindings');
    const handler = VERBS[verb];
    const served = verb === 'watch' ? 'watch' : verb;
    if (!handler || !kind.verbs.includes(served) || (verb === 'create' && name) || (!name && needsName(verb)))
      throw methodNotAllowed(kind, verb);
    return handler(runtime, context);
  }
  const known = kind.subresources.find((one) => one.name === subresource);
  if (!known || !name) throw noSuchPath();
  if (!known.verbs.includes(verb)) throw methodNotAllowed(kind, verb);
  if (subresource === 'scale') return sendObject(runtime, context, 200, await scale(runtime, context));
  if (SUBRESOURCES[resource]) return own(runtime, context, resource);
  const handler = VERBS[verb];
  if (!PARENT_WRITES.has(subresource) || !handler) throw methodNotAllowed(kind, verb);
  return handler(runtime, context);
}

const needsName = (verb: string): boolean => ['get', 'update', 'patch', 'delete'].includes(verb);

async function own(runtime: Runtime, context: RequestContext, resource: string): Promise<void> {
  const object = await SUBRESOURCES[resource]!(runtime, context);
  sendObject(runtime, context, context.verb === 'create' ? 201 : 200, object);
}
