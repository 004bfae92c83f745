import type { FastifyInstance } from 'fastify';
import type { Lab } from './lab.ts';
import { metricsText } from './metrics.ts';
import { readRequest, requests } from './requests.ts';

type NameParams = { Params: { name: string } };

/** Load balancers, public addresses, NAT gateways and route tables. */
export function gatewayRoutes(app: FastifyInstance, { gateways, loadBalancers, snat }: Lab): void {
  const done = { result: 'done' };
  app.get('/metrics', (_request, reply) =>
    reply.type('text/plain; version=0.0.4').send(metricsText(snat.usage(), loadBalancers.list())),
  );
  app.get('/v1/load-balancers', () => loadBalancers.list());
  app.get('/v1/public-ips', () => gateways.publicIps());
  app.post('/v1/public-ips', ({ body }) => gateways.createPublicIp(readRequest(requests.publicIp, body)));
  app.delete<NameParams>('/v1/public-ips/:name', ({ params }) => {
    gateways.deletePublicIp(params.name);
    return done;
  });
  app.get('/v1/nat-gateways', () => gateways.natGateways());
  app.post('/v1/nat-gateways', ({ body }) =>
    gateways.createNatGateway(readRequest(requests.natGateway, body)),
  );
  app.delete<NameParams>('/v1/nat-gateways/:name', ({ params }) => {
    gateways.deleteNatGateway(params.name);
    return done;
  });
  app.get('/v1/route-tables', () => gateways.routeTables());
  app.post('/v1/route-tables', ({ body }) =>
    gateways.createRouteTable(readRequest(requests.routeTable, body)),
  );
  app.post<NameParams>('/v1/route-tables/:name/routes', ({ params, body }) =>
    gateways.addRoute(params.name, readRequest(requests.route, body)),
  );
  app.delete<{ Params: { name: string; route: string } }>(
    '/v1/route-tables/:name/routes/:route',
    ({ params }) => gateways.removeRoute(params.name, params.route),
  );
  app.delete<NameParams>('/v1/route-tables/:name', ({ params }) => {
    gateways.deleteRouteTable(params.name);
    return done;
  });
}
