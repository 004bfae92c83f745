import { chmodSync, rmSync } from 'node:fs';
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify';
import { describe, stream } from './answer.ts';
import { gatewayRoutes } from './api-gateways.ts';
import type { Lab } from './lab.ts';
import { readRequest, requests } from './requests.ts';

/** Bytes of a request's body. The largest that the rules accept, a network with 64 subnets, has some 20 kB. */
const MOST_BYTES = 256 * 1024;

/** The supervisor's HTTP door: a unix socket that root alone can open. */
export function createApi(lab: Lab): FastifyInstance {
  const refuse = (error: unknown, _request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const { status, body } = describe(error);
    if (status >= 500) lab.log.error({ err: error }, 'request failed');
    return reply.code(status).send(body);
  };
  // What fastify refuses before it looks for a handler, such as an address with a broken escape, comes the same way.
  const app = fastify({ bodyLimit: MOST_BYTES, logger: false, frameworkErrors: refuse });
  app.removeContentTypeParser('text/plain');
  app.setErrorHandler(refuse);
  app.setNotFoundHandler((request, reply) => {
    const rule = `there is no ${request.method} ${request.url.slice(0, 200)}`;
    return reply.code(404).send({ error: { code: 'NotFound', rule, message: rule } });
  });

  app.get('/v1/status', () => lab.status());
  app.post('/v1/check', () => done(() => lab.check()));
  networkRoutes(app, lab);
  clusterRoutes(app, lab);
  hostRoutes(app, lab);
  gatewayRoutes(app, lab);
  return app;
}

type NameParams = { Params: { name: string } };

function networkRoutes(app: FastifyInstance, { networks }: Lab): void {
  app.get('/v1/networks', () => networks.list());
  app.post('/v1/networks', (request) => networks.create(readRequest(requests.network, request.body)));
  app.delete<NameParams>('/v1/networks/:name', (request) => done(() => networks.delete(request.params.name)));
  app.post<NameParams>('/v1/networks/:name/subnets', (request) =>
    networks.addSubnet(request.params.name, readRequest(requests.subnet, request.body)),
  );
  app.put<{ Params: { name: string; subnet: string } }>(
    '/v1/networks/:name/subnets/:subnet',
    ({ params, body }) =>
      networks.updateSubnet(params.name, params.subnet, readRequest(requests.subnetGateways, body)),
  );
  type PeerParams = { Params: { name: string; peer: string } };
  app.put<PeerParams>('/v1/networks/:name/peers/:peer', ({ params }) =>
    done(() => networks.peer(params.name, params.peer)),
  );
  app.delete<PeerParams>('/v1/networks/:name/peers/:peer', ({ params }) =>
    done(() => networks.unpeer(params.name, params.peer)),
  );
}

function clusterRoutes(app: FastifyInstance, { clusters, log }: Lab): void {
  app.get('/v1/clusters', () => clusters.list());
  app.get<NameParams>('/v1/clusters/:name', (request) => clusters.show(request.params.name));
  app.get<NameParams>('/v1/clusters/:name/kubeconfig', (request) => clusters.kubeconfig(request.params.name));
  app.post('/v1/clusters', (request, reply) => {
    const wanted = readRequest(requests.cluster, request.body);
    const { warnings } = clusters.accept(wanted);
    return stream(log, reply, (report) => {
      for (const warning of warnings) report(`warning: ${warning}`);
      return clusters.build(wanted.name, report);
    });
  });
  app.delete<NameParams>('/v1/clusters/:name', (request, reply) => {
    clusters.acceptDeletion(request.params.name);
    return stream(log, reply, (report) => clusters.remove(request.params.name, report));
  });
  app.put<NameParams>('/v1/clusters/:name/outbound', (request) =>
    clusters.updateOutbound(request.params.name, readRequest(requests.outbound, request.body)),
  );
  app.post<NameParams>('/v1/clusters/:name/nodes', (request, reply) => {
    const machine = clusters.acceptNode(request.params.name);
    return stream(log, reply, (report) => clusters.buildNode(machine, report));
  });
  type NodeParams = { Params: { name: string; node: string } };
  app.delete<NodeParams>('/v1/clusters/:name/nodes/:node', ({ params }, reply) => {
    const machine = clusters.acceptNodeDeletion(params.name, params.node);
    return stream(log, reply, (report) => clusters.removeNode(machine, report));
  });
}

function hostRoutes(app: FastifyInstance, { hosts }: Lab): void {
  app.get('/v1/hosts', () => hosts.list());
  app.post('/v1/hosts', (request) => hosts.add(readRequest(requests.host, request.body)));
  app.delete<NameParams>('/v1/hosts/:name', (request) => done(() => hosts.remove(request.params.name)));
  app.get('/v1/sites', () => hosts.sites());
  app.post('/v1/sites', (request) => hosts.addSite(readRequest(requests.site, request.body)));
  app.delete<NameParams>('/v1/sites/:name', (request) => done(() => hosts.removeSite(request.params.name)));
}

function done(work: () => void): { result: 'done' } {
  work();
  return { result: 'done' };
}

/**
 * Listens at `path`, for root alone. The caller holds the lab's lock, so a socket found there is stale, and the
 * folder is closed to others, so nobody comes in before the mode is set.
 */
export async function listen(app: FastifyInstance, path: string): Promise<void> {
  rmSync(path, { force: true });
  await app.listen({ path });
  chmodSync(path, 0o600);
}
