import { chmodSync, rmSync } from 'node:fs';
import { type FastifyError, type FastifyInstance, type FastifyReply, fastify } from 'fastify';
import { z } from 'zod';
import { isAddressError } from '../../address/error.ts';
import { LabError, type Refusal } from '../errors.ts';
import type { Report } from './context.ts';
import type { Lab } from './lab.ts';

/** What a door says when it refuses. */
export interface ErrorBody {
  error: Refusal & { message: string };
}

/** One line of a long answer: progress, then exactly one result or error. */
export type StreamLine = { progress: string } | { result: unknown } | ErrorBody;

const text = z.string().max(200);
const schemas = {
  cluster: z.strictObject({
    name: text,
    // Words that are no numbers come as they were typed: the rules name them in their refusal.
    nodes: z.union([z.number(), text]),
    podCidr: text.optional(),
    maxPods: z.union([z.number(), text]).optional(),
    vnet: text.optional(),
    vnetPrefix: text.optional(),
    subnet: text.optional(),
    subnetPrefix: text.optional(),
  }),
  network: z.strictObject({
    name: text,
    addressPrefixes: z.array(text).min(1).max(16),
    subnets: z.array(z.strictObject({ name: text, addressPrefix: text })).max(64),
  }),
  subnet: z.strictObject({ name: text, addressPrefix: text }),
  host: z.strictObject({
    name: text,
    vnet: text.optional(),
    subnet: text.optional(),
    internet: z.boolean().optional(),
    onPremises: text.optional(),
    address: text.optional(),
  }),
  site: z.strictObject({ name: text, vnet: text, addressPrefix: text }),
};

/** The supervisor's HTTP door: a unix socket that root alone can open. */
export function createApi(lab: Lab, shutdown: () => void): FastifyInstance {
  const app = fastify({ bodyLimit: 256 * 1024, logger: false });
  app.setErrorHandler((error: FastifyError, _request, reply) => {
    const { status, body } = describe(error);
    if (status >= 500) lab.log.error({ err: error }, 'request failed');
    return reply.code(status).send(body);
  });
  app.setNotFoundHandler((request, reply) =>
    reply.code(404).send({
      error: {
        code: 'NotFound',
        rule: 'no such path',
        message: `no such path: ${request.url.slice(0, 200)}`,
      },
    }),
  );

  app.get('/v1/status', () => lab.status());
  app.post('/v1/shutdown', async (_request, reply) => {
    await reply.send({ result: 'stopping' });
    shutdown();
  });
  networkRoutes(app, lab);
  clusterRoutes(app, lab);
  hostRoutes(app, lab);
  return app;
}

type NameParams = { Params: { name: string } };

function networkRoutes(app: FastifyInstance, lab: Lab): void {
  app.get('/v1/networks', () => lab.networks.list());
  app.post('/v1/networks', (request) => lab.networks.create(read(schemas.network, request.body)));
  app.delete<NameParams>('/v1/networks/:name', (request) =>
    done(() => lab.networks.delete(request.params.name)),
  );
  app.post<NameParams>('/v1/networks/:name/subnets', (request) =>
    lab.networks.addSubnet(request.params.name, read(schemas.subnet, request.body)),
  );
  type PeerParams = { Params: { name: string; peer: string } };
  app.put<PeerParams>('/v1/networks/:name/peers/:peer', ({ params }) =>
    done(() => lab.networks.peer(params.name, params.peer)),
  );
  app.delete<PeerParams>('/v1/networks/:name/peers/:peer', ({ params }) =>
    done(() => lab.networks.unpeer(params.name, params.peer)),
  );
}

function clusterRoutes(app: FastifyInstance, lab: Lab): void {
  const { clusters } = lab;
  app.get('/v1/clusters', () => clusters.list());
  app.get<NameParams>('/v1/clusters/:name', (request) => clusters.show(request.params.name));
  app.post('/v1/clusters', (request, reply) => {
    const wanted = read(schemas.cluster, request.body);
    const { warnings } = clusters.accept(wanted);
    return stream(lab, reply, (report) => {
      for (const warning of warnings) report(`warning: ${warning}`);
      return clusters.build(wanted.name, report);
    });
  });
  app.delete<NameParams>('/v1/clusters/:name', (request, reply) => {
    clusters.acceptDeletion(request.params.name);
    return stream(lab, reply, (report) => clusters.remove(request.params.name, report));
  });
  app.post<NameParams>('/v1/clusters/:name/nodes', (request, reply) => {
    const machine = clusters.acceptNode(request.params.name);
    return stream(lab, reply, (report) => clusters.buildNode(machine, report));
  });
  app.delete<{ Params: { name: string; node: string } }>(
    '/v1/clusters/:name/nodes/:node',
    ({ params }, reply) => {
      const machine = clusters.acceptNodeDeletion(params.name, params.node);
      return stream(lab, reply, (report) => clusters.removeNode(machine, report));
    },
  );
}

function hostRoutes(app: FastifyInstance, lab: Lab): void {
  app.get('/v1/hosts', () => lab.hosts.list());
  app.post('/v1/hosts', (request) => lab.hosts.add(read(schemas.host, request.body)));
  app.delete<NameParams>('/v1/hosts/:name', (request) => done(() => lab.hosts.remove(request.params.name)));
  app.get('/v1/sites', () => lab.hosts.sites());
  app.post('/v1/sites', (request) => lab.hosts.addSite(read(schemas.site, request.body)));
  app.delete<NameParams>('/v1/sites/:name', (request) =>
    done(() => lab.hosts.removeSite(request.params.name)),
  );
}

function done(work: () => void): { result: 'done' } {
  work();
  return { result: 'done' };
}

function read<T extends z.ZodType>(schema: T, body: unknown): z.output<T> {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  throw new LabError({
    code: 'InvalidRequestContent',
    field: issue.path.join('.') || 'body',
    rule: issue.message,
    fix: 'use the flyover command of the same version as the supervisor',
  });
}

/** Answers line by line. A client that goes away does not stop the work: it was accepted. */
async function stream(
  lab: Lab,
  reply: FastifyReply,
  work: (report: Report) => Promise<unknown>,
): Promise<FastifyReply> {
  reply.hijack();
  const { raw } = reply;
  raw.writeHead(200, { 'content-type': 'application/x-ndjson' });
  const write = (line: StreamLine): void => {
    if (!raw.destroyed) raw.write(`${JSON.stringify(line)}\n`);
  };
  try {
    const result = await work((progress) => {
      lab.log.info(progress);
      write({ progress });
    });
    write({ result: result ?? 'done' });
  } catch (error) {
    lab.log.error({ err: error }, 'operation failed');
    write(describe(error).body);
  }
  raw.end();
  return reply;
}

/** The status and body for an error; what is not a refusal shows its message and nothing of its inside. */
export function describe(error: unknown): { status: number; body: ErrorBody } {
  if (error instanceof LabError) {
    return {
      status: error.refusal.status ?? 400,
      body: { error: { ...error.refusal, message: error.message } },
    };
  }
  if (isAddressError(error)) {
    const { code, field, value, rule, fix, message } = error;
    return {
      status: code === 'exhausted' ? 409 : 400,
      body: { error: { code, field, value, rule, fix, message } },
    };
  }
  const { statusCode = 500, message } = error as FastifyError;
  const code = statusCode < 500 ? 'BadRequest' : 'InternalError';
  return { status: statusCode, body: { error: { code, rule: message, message } } };
}

/** Listens at `path`, for root alone. The caller holds the lab's lock, so a socket found there is stale. */
export async function listen(app: FastifyInstance, path: string): Promise<void> {
  rmSync(path, { force: true });
  const before = process.umask(0o177);
  try {
    await app.listen({ path });
  } finally {
    process.umask(before);
  }
  chmodSync(path, 0o600);
}
