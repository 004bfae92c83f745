import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { createServer, request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { KindInfo, KubeObject } from '../schema/types.ts';
import { asStatusError } from '../server/status.ts';
import type { AdmissionRequest, Attributes, Identity, RequestContext } from '../server/types.ts';
import { type Auth, createAuth, ISSUER } from './index.ts';
import { ensurePki, issueClient } from './pki.ts';
import { TestAccess } from './testing.ts';

const pki = mkdtempSync(join(tmpdir(), 'fly-auth-'));
const access = new TestAccess();
let auth: Auth;
const admin: Identity = { name: 'admin', groups: ['system:masters', 'system:authenticated'] };
const jane: Identity = { name: 'jane', groups: ['system:authenticated'] };
const node: Identity = { name: 'system:node:n1', groups: ['system:nodes', 'system:authenticated'] };

const ask = (verb: string, resource: string, more: Partial<Attributes> = {}): Attributes => ({
  verb,
  isResource: true,
  path: '',
  group: '',
  resource,
  ...more,
});
const may = async (identity: Identity, attributes: Attributes): Promise<boolean> =>
  (await auth.authorize(identity, attributes, access)).allowed;
const core = (plural: string) => ({ group: '', plural });
const refused = (run: () => unknown): { code: number; message: string } => {
  try {
    run();
  } catch (error) {
    const { code, message } = asStatusError(error);
    return { code, message };
  }
  throw new Error('was not refused');
};

async function connect(
  resource: string,
  body: object,
  identity: Identity,
  more: Partial<RequestContext> = {},
): Promise<KubeObject> {
  const [plural, ...group] = resource.split('.');
  const kind = { group: group.join('.'), version: 'v1', kind: 'Review', plural } as Partial<KindInfo>;
  const context = { identity, kind, now: new Date(), json: async () => body, ...more } as RequestContext;
  return (await auth.connect.get(resource)!(context, access)) as KubeObject;
}

const bearer = (token: string): IncomingMessage =>
  ({ headers: { authorization: `Bearer ${token}` }, headersDistinct: {}, socket: {} }) as never;

async function token(account: string, spec: object = {}): Promise<string> {
  const context = { namespace: 'default', name: account };
  const answer = await connect('serviceaccounts/token', { spec }, admin, context);
  return (answer.status as { token: string }).token;
}

beforeAll(async () => {
  await ensurePki(pki, { cluster: 'test', addresses: [], names: [] });
  auth = createAuth({ pki, onError: (error) => expect.unreachable(String(error)) });
  await auth.start(access);
  for (const [plural, name, spec] of [
    ['serviceaccounts', 'robot', {}],
    ['serviceaccounts', 'other', {}],
    ['secrets', 'mine', {}],
    ['secrets', 'not-mine', {}],
  ] as const)
    await access.create(core(plural), { metadata: { name, namespace: 'default' }, spec });
  await access.create(core('pods'), {
    metadata: { name: 'web', namespace: 'default' },
    spec: {
      nodeName: 'n1',
      serviceAccountName: 'robot',
      containers: [{ name: 'c', env: [{ valueFrom: { secretKeyRef: { name: 'mine', key: 'k' } } }] }],
      volumes: [{ projected: { sources: [{ configMap: { name: 'settings' } }] } }],
    },
  });
});
afterAll(() => rmSync(pki, { recursive: true }));

describe('who asks', () => {
  test('is read from the client certificate, which nobody must have', async () => {
    const read = (name: string): string => readFileSync(join(pki, name), 'utf8');
    const server = createServer(
      {
        ca: read('ca.crt'),
        cert: read('apiserver.crt'),
        key: read('apiserver.key'),
        requestCert: true,
        rejectUnauthorized: false,
      },
      (incoming, response) => {
        auth.authenticate(incoming, access).then(
          (identity) => response.end(JSON.stringify(identity)),
          (error) => response.writeHead(asStatusError(error).code).end('null'),
        );
      },
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const get = (options: object): Promise<[number | undefined, Identity | null]> =>
      new Promise((resolve, reject) => {
        const sent = request(
          { host: '127.0.0.1', port, ca: read('ca.crt'), agent: false, ...options },
          (answer) => {
            let text = '';
            answer.setEncoding('utf8').on('data', (chunk) => {
              text += chunk;
            });
            answer.on('end', () => resolve([answer.statusCode, JSON.parse(text)]));
          },
        );
        sent.on('error', reject).end();
      });
    const client = await issueClient(pki, { user: 'jane', groups: ['dev', 'ops'] });
    expect(await get({ cert: client.cert, key: client.key })).toMatchObject([
      200,
      { name: 'jane', groups: ['dev', 'ops', 'system:authenticated'] },
    ]);
    expect(await get({})).toEqual([200, { name: 'system:anonymous', groups: ['system:unauthenticated'] }]);
    const strangers = join(pki, 'strangers');
    await ensurePki(strangers, { cluster: 'else', addresses: [], names: [] });
    const stranger = await issueClient(strangers, { user: 'admin', groups: ['system:masters'] });
    expect((await get({ cert: stranger.cert, key: stranger.key }))[0]).toBe(401);
    const { cert, key } = { cert: read('apiserver.crt'), key: read('apiserver.key') };
    expect((await get({ cert, key }))[0]).toBe(401);
    expect((await get({ headers: { authorization: 'Bearer x.y.z' } }))[0]).toBe(401);
    expect((await get({ headers: { authorization: 'Basic YWRtaW46YWRtaW4=' } }))[0]).toBe(401);
    const master = await issueClient(pki, { user: 'root', groups: ['system:masters'] });
    const as = { 'impersonate-user': 'bob', 'impersonate-group': ['a', 'b'] };
    expect(await get({ cert: master.cert, key: master.key, headers: as })).toEqual([
      200,
      { name: 'bob', groups: ['a', 'b', 'system:authenticated'] },
    ]);
    expect((await get({ cert: client.cert, key: client.key, headers: as }))[0]).toBe(403);
    server.close();
  });

  test('is a ServiceAccount as long as it and what the token is bound to live', async () => {
    const pod = access.get(core('pods'), 'default', 'web')!;
    const free = await token('robot');
    const bound = await token('robot', {
      boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name: 'web', uid: pod.metadata!.uid },
    });
    const identity = await auth.authenticate(bearer(bound), access);
    expect(identity).toMatchObject({
      name: 'system:serviceaccount:default:robot',
      groups: ['system:serviceaccounts', 'system:serviceaccounts:default', 'system:authenticated'],
      extra: { 'authentication.kubernetes.io/pod-name': ['web'] },
    });
    await access.delete(core('pods'), 'default', 'web');
    await expect(auth.authenticate(bearer(bound), access)).rejects.toThrow('Unauthorized');
    await access.create(core('pods'), pod);
    expect((await auth.authenticate(bearer(free), access))?.name).toContain('robot');
    const account = access.get(core('serviceaccounts'), 'default', 'robot')!;
    await access.delete(core('serviceaccounts'), 'default', 'robot');
    await expect(auth.authenticate(bearer(free), access)).rejects.toThrow('Unauthorized');
    await access.create(core('serviceaccounts'), { metadata: { name: 'robot', namespace: 'default' } });
    await expect(auth.authenticate(bearer(free), access)).rejects.toThrow('Unauthorized');
    await access.update(core('serviceaccounts'), account);
    await expect(auth.authenticate(bearer(free), access)).resolves.toBeDefined();

    const [header, body, signature] = free.split('.') as [string, string, string];
    const claims = { ...JSON.parse(Buffer.from(body, 'base64url').toString()), exp: 2 ** 33 };
    const forged = Buffer.from(JSON.stringify(claims)).toString('base64url');
    const none = Buffer.from('{"alg":"none"}').toString('base64url');
    for (const wrong of [`${header}.${forged}.${signature}`, `${none}.${body}.`, `${header}.${body}.`])
      await expect(auth.authenticate(bearer(wrong), access)).rejects.toThrow('Unauthorized');
  });

  test('tokens expire, and are for their audiences alone', async () => {
    const review = async (text: string, audiences: string[] = []) =>
      (await connect('tokenreviews.authentication.k8s.io', { spec: { token: text, audiences } }, admin))
        .status;
    const vault = await token('robot', { audiences: ['vault'], expirationSeconds: 600 });
    expect(await review(vault)).toMatchObject({ error: expect.stringContaining('audiences') });
    expect(await review(vault, ['x', 'vault'])).toMatchObject({
      authenticated: true,
      audiences: ['vault'],
      user: { username: 'system:serviceaccount:default:robot' },
    });
    const now = Math.floor(Date.now() / 1000);
    const { uid = '' } = access.get(core('serviceaccounts'), 'default', 'robot')!.metadata!;
    const old = auth.signer.sign({
      aud: [ISSUER],
      exp: now - 1,
      iat: now - 900,
      nbf: now - 900,
      sub: 'system:serviceaccount:default:robot',
      'kubernetes.io': { namespace: 'default', serviceaccount: { name: 'robot', uid } },
    });
    expect(await review(old)).toMatchObject({ error: 'service account token has expired' });
    await expect(token('robot', { expirationSeconds: 60 })).rejects.toThrow(
      'spec.expirationSeconds: Invalid value: 60: may not specify a duration less than 10 minutes',
    );
    await expect(
      token('other', { boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name: 'web' } }),
    ).rejects.toThrow('cannot bind token for serviceaccount "other"');
    await expect(token('nobody')).rejects.toThrow('serviceaccounts "nobody" not found');
  });
});

test('Secrets of the old kind get their token, and go with their ServiceAccount', async () => {
  const annotations = { 'kubernetes.io/service-account.name': 'late' };
  const metadata = { name: 'old', namespace: 'default', annotations };
  await access.create(core('secrets'), { metadata, type: 'kubernetes.io/service-account-token' });
  await access.create(core('serviceaccounts'), { metadata: { name: 'late', namespace: 'default' } });
  const data = () =>
    access.get(core('secrets'), 'default', 'old')?.data as Record<string, string> | undefined;
  await expect.poll(() => Object.keys(data() ?? {})).toEqual(['token', 'ca.crt', 'namespace']);
  const text = Buffer.from(data()!.token!, 'base64').toString();
  expect((await auth.authenticate(bearer(text), access))?.name).toBe('system:serviceaccount:default:late');
  await access.delete(core('serviceaccounts'), 'default', 'late');
  await expect.poll(() => access.get(core('secrets'), 'default', 'old')).toBeUndefined();
});

describe('who may what', () => {
  test('the default roles', async () => {
    expect(await may(admin, ask('delete', 'nodes', { name: 'x' }))).toBe(true);
    expect(await may(jane, ask('list', 'pods', { namespace: 'default' }))).toBe(false);
    const nobody = { name: 'system:anonymous', groups: ['system:unauthenticated'] };
    for (const [path, allowed] of [
      ['/readyz', true],
      ['/version', true],
      ['/apis', false],
    ] as const) {
      expect(await may(nobody, { verb: 'get', isResource: false, path })).toBe(allowed);
      expect(await may(jane, { verb: 'get', isResource: false, path })).toBe(true);
    }
    const manager = { name: 'system:kube-controller-manager', groups: ['system:authenticated'] };
    for (const attributes of [
      ask('create', 'pods', { namespace: 'a' }),
      ask('create', 'pods', { namespace: 'a', subresource: 'binding' }),
      ask('update', 'deployments', { group: 'apps', subresource: 'status' }),
      ask('watch', 'anything', { group: 'example.com' }),
    ])
      expect([attributes, await may(manager, attributes)]).toEqual([attributes, true]);
    expect(await may(manager, ask('create', 'clusterroles', { group: 'rbac.authorization.k8s.io' }))).toBe(
      false,
    );
  });

  test('admin, edit and view are put together from their parts, also those that come later', async () => {
    const roles = { group: 'rbac.authorization.k8s.io', plural: 'clusterroles' };
    const bind = { group: 'rbac.authorization.k8s.io', plural: 'rolebindings' };
    await access.create(bind, {
      metadata: { name: 'view', namespace: 'default' },
      roleRef: { kind: 'ClusterRole', name: 'admin' },
      subjects: [{ kind: 'User', name: 'jane' }],
    });
    expect(await may(jane, ask('get', 'pods', { namespace: 'default', subresource: 'log' }))).toBe(true);
    expect(await may(jane, ask('create', 'pods', { namespace: 'default', subresource: 'exec' }))).toBe(true);
    const widgets = ask('get', 'widgets', { group: 'example.com', namespace: 'default' });
    expect(await may(jane, widgets)).toBe(false);
    await access.create(roles, {
      metadata: { name: 'widgets', labels: { 'rbac.authorization.k8s.io/aggregate-to-view': 'true' } },
      rules: [{ verbs: ['get'], apiGroups: ['example.com'], resources: ['widgets'] }],
    });
    await expect.poll(() => may(jane, widgets)).toBe(true);
    await access.delete(bind, 'default', 'view');
  });

  test('a second start changes nothing, what was taken away comes back', async () => {
    const before = structuredClone([...access.objects]);
    await createAuth({ pki }).start(access);
    expect([...access.objects]).toEqual(before);
    const roles = { group: 'rbac.authorization.k8s.io', plural: 'clusterroles' };
    const found = access.get(roles, undefined, 'system:basic-user')!;
    const { rules } = found;
    await access.update(roles, { ...found, rules: [] });
    await createAuth({ pki }).start(access);
    expect((access.get(roles, undefined, 'system:basic-user') as KubeObject).rules).toHaveLength(
      (rules as unknown[]).length,
    );
  });

  test('a kubelet reads what its pods need', async () => {
    const secret = (name: string): Attributes => ask('get', 'secrets', { namespace: 'default', name });
    expect(await may(node, secret('mine'))).toBe(true);
    expect(await may(node, secret('not-mine'))).toBe(false);
    expect(await may({ ...node, name: 'system:node:n2' }, secret('mine'))).toBe(false);
    expect(await may({ ...node, groups: [] }, secret('mine'))).toBe(false);
    expect(await may(node, ask('list', 'secrets', { namespace: 'default' }))).toBe(false);
    expect(await may(node, ask('get', 'configmaps', { namespace: 'default', name: 'settings' }))).toBe(true);
    const asToken = { namespace: 'default', name: 'robot', subresource: 'token' };
    expect(await may(node, ask('create', 'serviceaccounts', asToken))).toBe(true);
    expect(await may(node, ask('create', 'serviceaccounts', { ...asToken, name: 'other' }))).toBe(false);
    const lease = { group: 'coordination.k8s.io', namespace: 'kube-node-lease' };
    expect(await may(node, ask('update', 'leases', { ...lease, name: 'n1' }))).toBe(true);
    expect(await may(node, ask('update', 'leases', { ...lease, name: 'n2' }))).toBe(false);
    expect(await may(node, ask('patch', 'pods', { namespace: 'default', subresource: 'status' }))).toBe(true);
    expect(await may(node, ask('create', 'deployments', { group: 'apps' }))).toBe(false);
    const pod = access.get(core('pods'), 'default', 'web')!;
    await access.delete(core('pods'), 'default', 'web');
    expect(await may(node, secret('mine'))).toBe(false);
    await access.create(core('pods'), pod);
    expect(await may(node, secret('mine'))).toBe(true);
  });
});

describe('what is not let in', () => {
  const [restrict, escalate] = [0, 1];
  const admit = (step: number, change: Partial<AdmissionRequest>, plural: string, group = ''): void =>
    auth.admission[step]!(
      {
        operation: 'UPDATE',
        namespace: undefined,
        name: '',
        subresource: undefined,
        identity: node,
        dryRun: false,
        warnings: [],
        kind: { group, plural } as KindInfo,
        ...change,
      },
      access,
    );

  test('kubelets write about themselves alone', () => {
    const object = { metadata: { name: 'n1', labels: { 'kubernetes.io/hostname': 'n1' } } };
    admit(restrict, { operation: 'CREATE', name: 'n1', object }, 'nodes');
    expect(refused(() => admit(restrict, { name: 'n2', object }, 'nodes'))).toEqual({
      code: 403,
      message: 'nodes "n2" is forbidden: node "n1" is not allowed to modify node "n2"'.replace(
        'system:node:',
        '',
      ),
    });
    const labelled = { metadata: { name: 'n1', labels: { 'node-restriction.kubernetes.io/x': 'y' } } };
    expect(
      refused(() => admit(restrict, { name: 'n1', object: labelled, oldObject: object }, 'nodes')).message,
    ).toContain('is not allowed to modify labels: node-restriction.kubernetes.io/x');
    const tainted = { ...object, spec: { taints: [{ key: 'x' }] } };
    expect(
      refused(() => admit(restrict, { name: 'n1', object, oldObject: tainted }, 'nodes')).message,
    ).toContain('taints');
    const pod = { metadata: { name: 'p' }, spec: { nodeName: 'n2' } };
    const status = { name: 'p', namespace: 'default', subresource: 'status', object: pod, oldObject: pod };
    expect(refused(() => admit(restrict, status, 'pods')).message).toContain(
      'can only update pod status for pods',
    );
    admit(restrict, { ...status, identity: jane }, 'pods');
  });

  test('nobody grants what he does not have', async () => {
    const rules = [{ verbs: ['get', 'list'], apiGroups: [''], resources: ['secrets'] }];
    const group = 'rbac.authorization.k8s.io';
    const object = { metadata: { name: 'x' }, rules };
    const change = { operation: 'CREATE' as const, name: 'x', namespace: 'default', object };
    expect(refused(() => admit(escalate, { ...change, identity: jane }, 'roles', group))).toEqual({
      code: 403,
      message:
        'roles.rbac.authorization.k8s.io "x" is forbidden: user "jane" (groups=["system:authenticated"]) is attempting to grant RBAC permissions not currently held:\n{APIGroups:[""], Resources:["secrets"], Verbs:["get" "list"]}',
    });
    admit(escalate, { ...change, identity: admin }, 'roles', group);
    const roleRef = { kind: 'ClusterRole', name: 'cluster-admin' };
    const grant = { ...change, identity: jane, object: { metadata: { name: 'x' }, roleRef, subjects: [] } };
    expect(refused(() => admit(escalate, grant, 'rolebindings', group)).message).toContain(
      '{APIGroups:["*"], Resources:["*"], Verbs:["*"]}\n{NonResourceURLs:["*"], Verbs:["*"]}',
    );
    admit(escalate, { ...grant, oldObject: grant.object, operation: 'UPDATE' }, 'rolebindings', group);
  });
});

test('reviews answer for oneself and for others', async () => {
  const attributes = { namespace: 'default', verb: 'list', resource: 'pods' };
  const self = 'selfsubjectaccessreviews.authorization.k8s.io';
  expect((await connect(self, { spec: { resourceAttributes: attributes } }, admin)).status).toEqual({
    allowed: true,
  });
  expect((await connect(self, { spec: { resourceAttributes: attributes } }, jane)).status).toEqual({
    allowed: false,
  });
  const other = { resourceAttributes: attributes, user: 'x', groups: ['system:masters'] };
  expect((await connect('subjectaccessreviews.authorization.k8s.io', { spec: other }, jane)).status).toEqual({
    allowed: true,
  });
  await expect(connect(self, { spec: {} }, jane)).rejects.toThrow('exactly one of');
  const whoami = await connect('selfsubjectreviews.authentication.k8s.io', {}, jane);
  expect(whoami.status).toEqual({ userInfo: { username: 'jane', groups: ['system:authenticated'] } });
  const rules = await connect(
    'selfsubjectrulesreviews.authorization.k8s.io',
    { spec: { namespace: 'default' } },
    jane,
  );
  expect((rules.status as { resourceRules: unknown[] }).resourceRules).toContainEqual({
    verbs: ['create'],
    apiGroups: ['authorization.k8s.io'],
    resources: ['selfsubjectaccessreviews', 'selfsubjectrulesreviews'],
  });
});
