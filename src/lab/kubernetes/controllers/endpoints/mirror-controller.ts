import { type Context, type Controller, controllerLoop, isNamespaceTerminating } from '../common/context.ts';
import { ENDPOINT_SLICES, ENDPOINTS, keyOf, SERVICES } from '../common/objects.ts';
import { isMirrored, MIRRORED_BY, mirrorAnnotations, mirroredEndpoints, mirrorLabels } from './mirror.ts';
import { SliceWriter } from './slice-writer.ts';

/** EndpointSlices for the Endpoints of Services without a selector, so that whoever reads slices knows them too. */
export function endpointsMirrorController(context: Context): Controller {
  const services = context.informers.of(SERVICES);
  const endpoints = context.informers.of(ENDPOINTS);
  const writer = new SliceWriter(context, MIRRORED_BY);
  const loop = controllerLoop(
    context,
    { name: 'endpoints-mirror', needs: [SERVICES, ENDPOINTS, ENDPOINT_SLICES] },
    reconcile,
  );
  const look = (object: Parameters<typeof keyOf>[0]): void => loop.add(keyOf(object));
  services.on('add', look).on('update', look).on('delete', look);
  endpoints.on('add', look).on('update', look).on('delete', look);
  for (const one of endpoints.list()) look(one);
  writer.onChange((key) => loop.add(key));

  async function reconcile(key: string): Promise<number | undefined> {
    const object = endpoints.get(key);
    if (!object || object.metadata.deletionTimestamp || !isMirrored(object, services.get(key))) {
      if (writer.own(key).length > 0) await writer.clear(key);
      return undefined;
    }
    const wait = writer.wait(key);
    if (wait) return wait;
    const owner = {
      type: ENDPOINTS,
      object,
      labels: mirrorLabels(object),
      annotations: mirrorAnnotations(object),
    };
    try {
      await writer.write(key, owner, mirroredEndpoints(object));
    } catch (error) {
      if (!isNamespaceTerminating(error)) throw error;
    }
    return undefined;
  }

  return { name: 'endpoints-mirror', stop: () => loop.stop() };
}
