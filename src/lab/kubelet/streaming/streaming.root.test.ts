import type { ChildProcess } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ensureImage, importImage, normalizedName, PAUSE, type Recipe } from '../../images/index.ts';
import {
  contentStore,
  criSocket,
  execInMachine,
  insideMachine,
  type Machine,
  prepareContainerd,
  startMachine,
  startService,
  waitForContainerd,
} from '../../machine/index.ts';
import { output, testPlace } from '../../machine/testing.ts';
import { CriClient } from '../cri.ts';
import { CONTAINER_NAME, POD_NAME, POD_NAMESPACE, POD_UID } from '../labels.ts';
import type { TestPod } from './testing-server.ts';

/*
 * The unmodified kubectl, by WebSocket (1.32 and later) and by SPDY (1.30 and before), against the API server's proxy, the kubelet's server and a real containerd;
 * all in one machine.
 */

const TINY: Recipe = {
  name: 'fly-test/streams',
  layers: [
    {
      packages: [],
      hostFiles: { '/usr/bin/busybox': 'bin/busybox' },
      links: Object.fromEntries(
        ['sh', 'cat', 'tar', 'stty', 'nc', 'sleep', 'echo', 'md5sum', 'seq', 'head', 'wc', 'printf'].map(
          (name) => [`bin/${name}`, 'busybox'],
        ),
      ),
    },
  ],
  defaults: { command: ['/bin/busybox', 'sh', '-c', 'sleep 1000'] },
};
const KUBECTLS = ['1.33', '1.32', '1.30', '1.27'].map(
  (version) => `/usr/lib/google-cloud-sdk/bin/kubectl.${version}`,
);
const [NEW] = KUBECTLS as [string];
const ADDRESS = '192.0.2.10';
const FOLDER = '/run/streams-test';

const place = testPlace('streams');
const images = join(place.folder, 'images');
let machine: Machine;
let cri: CriClient;
let server: ChildProcess;

async function pod(
  name: string,
  script: string,
  more: { tty?: boolean; stdin?: boolean } = {},
): Promise<TestPod> {
  const uid = `uid-${name}`;
  const labels = { [POD_NAME]: name, [POD_NAMESPACE]: 'default', [POD_UID]: uid };
  const config = {
    metadata: { name, uid, namespace: 'default', attempt: 0 },
    hostname: name,
    logDirectory: `/var/log/pods/${name}`,
    labels,
    linux: { cgroupParent: `/kubepods/pod-${name}` },
  };
  const sandbox = await cri.runPodSandbox(config);
  const make = async (attempt: number, text: string): Promise<string> => {
    const id = await cri.createContainer(
      sandbox,
      {
        metadata: { name: 'main', attempt },
        image: { image: normalizedName(TINY.name) },
        command: ['/bin/sh', '-c', text],
        logPath: `${attempt}.log`,
        labels: { ...labels, [CONTAINER_NAME]: 'main' },
        ...more,
      },
      config,
    );
    await cri.startContainer(id);
    return id;
  };
  const previousId = name === 'crashed' ? await make(0, 'echo I was first; exit 3') : undefined;
  const containerId = await make(previousId ? 1 : 0, script);
  return { name, uid, tty: false, stdin: false, ...more, containerId, ...(previousId && { previousId }) };
}

const config = (user: string): string => `--kubeconfig=${FOLDER}/${user}.kubeconfig`;
const env = { HOME: FOLDER, TERM: 'xterm' };

interface Result {
  code: number | null;
  stdout: string;
  stderr: string;
}

function finish(child: ChildProcess, stdin?: string | Buffer): Promise<Result> {
  const result: Result = { code: null, stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const)
    child[name]!.setEncoding('utf8').on('data', (chunk: string) => {
      result[name] += chunk;
    });
  child.stdin!.on('error', () => {});
  if (stdin !== undefined) child.stdin!.end(stdin);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ ...result, code }));
  });
}

function start(kubectl: string, ...args: string[]): ChildProcess {
  return execInMachine(machine, [kubectl, config('admin'), ...args], { env });
}

function run(kubectl: string, args: string[], stdin: string | Buffer = ''): Promise<Result> {
  return finish(start(kubectl, ...args), stdin);
}

beforeAll(async () => {
  machine = await startMachine(place.spec('one'));
  await output(machine, 'ip', 'link', 'set', 'lo', 'up');
  await output(machine, 'ip', 'address', 'add', ADDRESS, 'dev', 'lo');
  await startService(machine, await prepareContainerd(machine, { pauseImage: normalizedName(PAUSE.name) }));
  await waitForContainerd(machine);
  const ipam = {
    type: 'host-local',
    ranges: [[{ subnet: '10.202.0.0/24' }]],
    routes: [{ dst: '0.0.0.0/0' }],
  };
  const conflist = { cniVersion: '1.0.0', name: 'fly-test', plugins: [{ type: 'ptp', ipam }] };
  writeFileSync(insideMachine(machine, '/etc/cni/net.d/10-test.conflist'), JSON.stringify(conflist));
  for (const recipe of [PAUSE, TINY])
    await importImage(criSocket(machine), await ensureImage(recipe, images), {
      contentStore: contentStore(machine),
    });
  cri = new CriClient(criSocket(machine));
  for (const deadline = Date.now() + 10_000; ; await delay(20)) {
    const { status } = await cri.status();
    if (status?.conditions.every((one) => one.status)) break;
    if (Date.now() > deadline) throw new Error(JSON.stringify(status));
  }
  const pods = [
    await pod(
      'web',
      'echo out; echo err >&2; busybox mkdir -p /www /tmp; echo hello > /www/index.html; busybox httpd -p 8080 -h /www; sleep 1000',
    ),
    await pod('shell', 'echo ready; while read -r line; do echo "got $line"; done; echo bye', {
      tty: true,
      stdin: true,
    }),
    await pod('talk', 'while read -r line; do echo "got $line"; done; echo bye', { stdin: true }),
    await pod('count', 'for n in 1 2 3 4 5 6; do echo "line $n"; sleep 0.2; done'),
    await pod('crashed', 'echo I am second; sleep 1000'),
  ];
  const script = join(import.meta.dirname, 'testing-server.ts');
  server = execInMachine(machine, [process.execPath, script, FOLDER, ADDRESS, JSON.stringify(pods)]);
  server.stderr!.pipe(process.stderr);
  await new Promise<void>((resolve, reject) => {
    server.stdout!.once('data', () => resolve());
    server.once('exit', (code) => reject(new Error(`the servers ended with ${code}`)));
  });
});
afterAll(async () => {
  server?.kill();
  cri?.close();
  await place.clear();
});

describe.each(KUBECTLS)('%s', (kubectl) => {
  test('exec has stdin, both outputs and the exit status', async () => {
    const plain = await run(kubectl, ['exec', 'web', '--', 'sh', '-c', 'echo out; echo err >&2; exit 7']);
    expect(plain).toEqual({ code: 7, stdout: 'out\n', stderr: 'err\ncommand terminated with exit code 7\n' });
    const echoed = await run(kubectl, ['exec', '-i', 'web', '--', 'cat'], 'to and fro');
    expect(echoed).toEqual({ code: 0, stdout: 'to and fro', stderr: '' });
    const missing = await run(kubectl, ['exec', 'web', '--', 'no-such-program']);
    expect(missing.code).not.toBe(0);
    expect(missing.stderr).toContain('no-such-program');
  });

  test('exec carries megabytes in both directions', async () => {
    const big = Buffer.alloc(12 * 1024 * 1024, 'flyover ');
    const counted = await run(kubectl, ['exec', '-i', 'web', '--', 'wc', '-c'], big);
    expect([counted.code, counted.stdout.trim()]).toEqual([0, String(big.length)]);
    const sent = await run(kubectl, ['exec', 'web', '--', 'head', '-c', '12000000', '/dev/zero']);
    expect([sent.code, sent.stdout.length]).toEqual([0, 12_000_000]);
  });

  test('a terminal has its size, an end by exit code, and Ctrl-D', async () => {
    const command = `stty rows 33 cols 111; exec ${kubectl} ${config('admin')} exec -it web -- sh -c 'sleep 1; stty size; exit 4'`;
    const child = execInMachine(machine, ['/usr/bin/script', '-qec', command, '/dev/null'], { env });
    const done = await finish(child);
    expect(done.stdout).toContain('33 111');
    expect(done.code).toBe(4);
  });

  test('attach reaches the program that runs', async () => {
    const child = start(kubectl, 'attach', '-i', 'talk', '-c', 'main');
    const done = finish(child);
    const said = new Promise<void>((resolve) =>
      child.stdout!.on('data', (text) => String(text).includes('got') && resolve()),
    );
    child.stdin!.write('one\n');
    await said;
    child.kill('SIGTERM');
    expect((await done).stdout).toContain('got one');
  });

  test('cp copies there and back', async () => {
    const content = Buffer.alloc(3_000_000, 'some bytes ').toString();
    writeFileSync(insideMachine(machine, '/tmp/there'), content);
    const there = await run(kubectl, ['cp', '/tmp/there', 'web:/tmp/copied']);
    expect([there.code, there.stderr]).toEqual([0, '']);
    const back = await run(kubectl, ['cp', 'web:/tmp/copied', '/tmp/back']);
    expect(back.code).toBe(0);
    expect(readFileSync(insideMachine(machine, '/tmp/back'), 'utf8')).toBe(content);
  });

  test('port-forward carries connections, one after another and at once', async () => {
    // It goes when its stdin ends: a signal to what enters the machine does not reach what it started.
    const script = '"$@" & pid=$!; cat; kill $pid; wait';
    const argv = [
      '/bin/sh',
      '-c',
      script,
      'sh',
      kubectl,
      config('admin'),
      '-v=4',
      'port-forward',
      'pod/web',
      ':8080',
    ];
    const child = execInMachine(machine, argv, { env });
    const done = finish(child);
    const port = await new Promise<string>((resolve) => {
      child.stdout!.on('data', (text) => {
        const found = /127\.0\.0\.1:(\d+) ->/.exec(String(text));
        if (found) resolve(found[1]!);
      });
    });
    const get = () => output(machine, '/usr/bin/busybox', 'wget', '-q', '-O-', `http://127.0.0.1:${port}/`);
    for (let n = 0; n < 3; n++) expect((await get()).stdout).toBe('hello\n');
    const both = await Promise.all([get(), get(), get()]);
    expect(both.map((each) => each.stdout)).toEqual(['hello\n', 'hello\n', 'hello\n']);
    child.stdin!.end();
    // By WebSocket where kubectl can, and not by what it falls back to.
    expect((await done).stderr).not.toContain('fallback');
  });

  test('logs show, follow, and remember', async () => {
    expect((await run(kubectl, ['logs', 'web'])).stdout.split('\n').sort()).toEqual(['', 'err', 'out']);
    const followed = await run(kubectl, ['logs', '-f', 'count']);
    expect(followed).toEqual({
      code: 0,
      stdout: [1, 2, 3, 4, 5, 6].map((n) => `line ${n}\n`).join(''),
      stderr: '',
    });
    expect((await run(kubectl, ['logs', '--tail=2', 'count'])).stdout).toBe('line 5\nline 6\n');
    expect((await run(kubectl, ['logs', '--limit-bytes=9', 'count'])).stdout).toBe('line 1\nli');
    expect((await run(kubectl, ['logs', '--since=1h', '--timestamps', 'count'])).stdout).toMatch(
      /^\d{4}-\d\d-\d\dT[\d:]+\.\d{9}(Z|[+-]\d\d:\d\d) line 1\n/,
    );
    expect((await run(kubectl, ['logs', 'crashed'])).stdout).toBe('I am second\n');
    expect((await run(kubectl, ['logs', '--previous', 'crashed'])).stdout).toBe('I was first\n');
    expect(await run(kubectl, ['logs', '--previous', 'web'])).toMatchObject({
      code: 1,
      stderr: 'Error from server (BadRequest): previous terminated container "main" in pod "web" not found\n',
    });
  });
});

test('exec goes by WebSocket where kubectl can', async () => {
  const { stderr, stdout } = await run(NEW, ['-v=4', 'exec', '-i', 'web', '--', 'cat'], 'by message');
  expect(stdout).toBe('by message');
  expect(stderr).not.toContain('fallback');
});

describe('refusals', () => {
  test('say what upstream says', async () => {
    expect((await run(NEW, ['logs', 'web', '-c', 'x'])).stderr).toContain(
      'container x is not valid for pod web',
    );
    expect((await run(NEW, ['exec', 'none', '--', 'sh'])).stderr).toContain('pods "none" not found');
    const nobody = [config('nobody'), 'exec', 'web', '--', 'sh'];
    expect((await finish(execInMachine(machine, [NEW, ...nobody], { env }), '')).stderr).toContain(
      'Error from server (Forbidden): pods "web" is forbidden: User "nobody" cannot get resource "pods" in API group "" in the namespace "default"',
    );
  });

  test('the kubelet knows whom it serves, and nodes are proxied to it', async () => {
    expect((await run(NEW, ['get', '--raw', '/api/v1/nodes/n1/proxy/healthz'])).stdout).toBe('ok');
    const pods = await run(NEW, ['get', '--raw', '/api/v1/nodes/n1/proxy/pods']);
    expect(JSON.parse(pods.stdout).items).toHaveLength(5);
    const script = `fetch('https://${ADDRESS}:10250/pods').then((r) => console.log(r.status))`;
    const child = execInMachine(machine, [process.execPath, '-e', script], {
      env: { NODE_TLS_REJECT_UNAUTHORIZED: '0' },
    });
    expect((await finish(child, '')).stdout.trim()).toBe('401');
  });
});
