import { chmodSync, existsSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { type FastifyInstance, fastify } from 'fastify';
import type { Logger } from 'pino';
import { describe } from './answer.ts';
import { kubernetesFile } from './machine-files.ts';

/** The only pool that clusters of the lab have so far, by AKS's name for the first one. */
export const POOL = 'nodepool1';
/** In a control plane's folder: where its autoscaler asks for nodes. */
export const NODE_POOLS_SOCKET = 'node-pools.sock';

/** What an autoscaler learns of a pool; `template` is a Node that a new one would look like. */
export interface NodePoolView {
  name: string;
  min: number;
  max: number;
  /** Nodes that it has or is making. */
  size: number;
  template: object;
}

/** What an autoscaler may do with a cluster's pool. */
export interface NodePoolWork {
  list(): Promise<NodePoolView[]>;
  /** @throws LabError beyond the pool's most */
  add(count: number): void;
  /** @throws LabError below the pool's least, or for a node that is not of the cluster */
  remove(node: string): void;
}

/** Opens and closes the doors of clusters whose nodes are added and removed by their autoscaler. */
export interface NodePoolDoors {
  open(cluster: string, work: NodePoolWork): Promise<void>;
  close(cluster: string): Promise<void>;
}

const MOST_BYTES = 4096;

/** Doors as HTTP on a unix socket in the control plane's own folder: nobody else comes there. */
export function nodePoolDoors(log: Logger): NodePoolDoors {
  const open = new Map<string, FastifyInstance>();
  const close = async (cluster: string): Promise<void> => {
    const door = open.get(cluster);
    open.delete(cluster);
    await door?.close();
  };
  return {
    close,
    open: async (cluster, work) => {
      await close(cluster);
      const path = kubernetesFile(cluster, NODE_POOLS_SOCKET);
      if (!existsSync(dirname(path))) throw new Error(`${path} cannot be: the control plane has no disk`);
      const door = routes(work, log);
      rmSync(path, { force: true });
      await door.listen({ path });
      chmodSync(path, 0o600);
      open.set(cluster, door);
    },
  };
}

/** `GET /pools`, `POST /pools/NAME/nodes` with `{"count": n}`, `DELETE /nodes/NAME`. */
function routes(work: NodePoolWork, log: Logger): FastifyInstance {
  const app = fastify({ bodyLimit: MOST_BYTES, logger: false });
  app.setErrorHandler((error, _request, reply) => {
    const { status, body } = describe(error);
    if (status >= 500) log.error({ err: error }, 'the autoscaler was not served');
    return reply.code(status).send(body);
  });
  app.get('/pools', () => work.list());
  const count = { type: 'integer', minimum: 1, maximum: 1000 };
  const body = { type: 'object', required: ['count'], properties: { count } };
  app.post<{ Params: { name: string }; Body: { count: number } }>(
    '/pools/:name/nodes',
    { schema: { body, params: { type: 'object', properties: { name: { const: POOL } } } } },
    (request, reply) => {
      work.add(request.body.count);
      return reply.code(202).send({});
    },
  );
  app.delete<{ Params: { node: string } }>('/nodes/:node', (request, reply) => {
    work.remove(request.params.node);
    return reply.code(202).send({});
  });
  return app;
}
