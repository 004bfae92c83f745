import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ensureImage, importImage, normalizedName, PAUSE } from '../images/index.ts';
import { CriClient } from '../kubelet/cri.ts';
import {
  contentStore,
  criSocket,
  insideMachine,
  type Machine,
  prepareContainerd,
  startMachine,
  startService,
  waitForContainerd,
} from '../machine/index.ts';
import { eventually, output, testPlace } from '../machine/testing.ts';
import { buildOwn } from './own-image.ts';
import { type RunningRegistry, serveRegistry } from './server.ts';
import { ImageStore } from './store.ts';
import { type Fetch, pushImage, testImage } from './testing.ts';

/* A node's containerd and a registry in the same namespace, which has no other network: what it pulls is ours. */

const place = testPlace('registry');
const images = join(place.folder, 'images');
const spec = { ...place.spec('one'), addresses: ['127.0.0.1'] };
const logged: string[] = [];
let machine: Machine;
let registry: RunningRegistry;
let cri: CriClient;

const password = 'only-for-this-test';
const builds: string[] = [];

beforeAll(async () => {
  machine = await startMachine(spec);
  await output(machine, 'ip', 'link', 'set', 'lo', 'up');
  registry = await serveRegistry({
    store: new ImageStore(images),
    listen: { host: '127.0.0.1', port: 5000, netns: spec.netns },
    push: { user: 'flyover', password },
    standIns: {
      build: (recipe, step) => {
        builds.push(recipe.name);
        return ensureImage(recipe, images, { step });
      },
    },
    log: (text) => logged.push(text),
  });
  const options = { pauseImage: normalizedName(PAUSE.name), registryMirror: registry.url };
  await startService(machine, await prepareContainerd(machine, options));
  await waitForContainerd(machine);
  const pause = await ensureImage(PAUSE, images);
  await importImage(criSocket(machine), pause, { contentStore: contentStore(machine) });
  cri = new CriClient(criSocket(machine));
}, 120_000);
afterAll(async () => {
  cri?.close();
  await registry?.close();
  await place.clear();
});

interface Pod {
  run(command: string): Promise<string>;
  log(): string;
  end(): Promise<{ exitCode: number; reason: string }>;
}

/** A pod in the node's own network; no plugin is needed for what is tried here. */
async function runPod(name: string, image: string, command?: string[]): Promise<Pod> {
  const linux = { securityContext: { namespaceOptions: { network: 2 } } };
  const config = {
    metadata: { name, uid: name, namespace: 'default' },
    logDirectory: `/var/log/pods/${name}`,
    linux,
  };
  const sandbox = await cri.runPodSandbox(config);
  const main = { metadata: { name: 'main' }, image: { image }, logPath: 'main.log', linux };
  const container = await cri.createContainer(sandbox, command ? { ...main, command } : main, config);
  await cri.startContainer(container);
  return {
    async run(script) {
      const { exitCode, stdout, stderr } = await cri.execSync(container, ['sh', '-c', script], 20);
      return `${stdout}${stderr}${exitCode === 0 ? '' : `exit ${exitCode}`}`;
    },
    log: () => readFileSync(insideMachine(machine, `/var/log/pods/${name}/main.log`), 'utf8'),
    async end() {
      await cri.stopContainer(container, 10);
      const { status } = await cri.containerStatus(container);
      await cri.stopPodSandbox(sandbox);
      await cri.removePodSandbox(sandbox);
      return { exitCode: status.exitCode ?? -1, reason: status.reason ?? '' };
    },
  };
}

test('nginx of any version is served by the one that is built here, as its users expect it', async () => {
  const reference = await cri.pullImage('nginx:1.25');
  expect(reference).toMatch(/^sha256:/);
  expect(logged).toContainEqual(
    expect.stringMatching(/nginx:1\.25 is not here: the ready-made .* stands in/),
  );
  const pod = await runPod('web', 'nginx:1.25');
  const ask =
    'until curl -sf http://127.0.0.1/ -o /tmp/page; do sleep 0.05; done; grep -o "<title>.*</title>" /tmp/page';
  expect(await pod.run(ask)).toBe('<title>Welcome to nginx!</title>\n');
  expect(await pod.run('curl -s -o /dev/null -w "%{http_code}" http://127.0.0.1/none')).toBe('404');
  expect(await pod.run('ls /usr/share/nginx/html; bash -c "echo ok"; ls /etc/nginx/conf.d')).toBe(
    '50x.html\nindex.html\nok\ndefault.conf\n',
  );
  expect(await pod.run('grep -c BEGIN /etc/ssl/certs/ca-certificates.crt')).toMatch(/^1\d\d\n$/);
  await eventually('the access log on stdout', () =>
    /stdout F .*"GET \/none HTTP\/1\.1" 404/.test(pod.log()),
  );
  await eventually('the error log on stderr', () =>
    /stderr F .*notice.*start worker process/.test(pod.log()),
  );
  expect(await pod.end()).toEqual({ exitCode: 0, reason: 'Completed' });
}, 120_000);

test('busybox has its applets, and a wget with a time limit', async () => {
  await cri.pullImage('docker.io/library/busybox:1.36');
  const pod = await runPod('box', 'busybox:1.36', [
    'sh',
    '-c',
    'echo hello >/tmp/index.html; httpd -f -p 8080 -h /tmp',
  ]);
  expect(await pod.run('until wget -qO- -T 5 http://127.0.0.1:8080/; do sleep 0.05; done 2>/dev/null')).toBe(
    'hello\n',
  );
  expect(await pod.run('wget -q -T5 -O - http://localhost:8080/')).toBe('hello\n');
  expect(await pod.run('wget -S --timeout=5 --spider http://127.0.0.1:8080/ 2>&1 | grep -c "200 OK"')).toBe(
    '1\n',
  );
  expect(await pod.run('wget -qT 5 -O- http://127.0.0.1:1/')).toMatch(/can't connect.*refused\nexit 1$/s);
  expect(
    await pod.run(
      'sleep 2 | nc -l -p 9 >/dev/null & sleep 0.2; wget -q -T 1 -O /dev/null http://127.0.0.1:9/ 2>&1; echo $?',
    ),
  ).toMatch(/^wget: download timed out\n1\n$/);
  expect(
    await pod.run('nslookup localhost 127.0.0.1 2>&1 | head -1; readlink /bin/sh; id -un; ls / | xargs'),
  ).toMatch(/\nbusybox\nroot\nbin dev etc home /);
  expect(await pod.end()).toMatchObject({ exitCode: 143 });
}, 120_000);

test('the toolbox is one of many names, and is built once however many ask', async () => {
  const names = ['nicolaka/netshoot', 'nicolaka/netshoot:v0.13', 'docker.io/nicolaka/netshoot:latest'];
  await Promise.all(names.map((name) => cri.pullImage(name)));
  expect(builds.filter((name) => name.includes('netshoot'))).toHaveLength(1);
  const pod = await runPod('tools', 'nicolaka/netshoot', ['sleep', '60']);
  const tools =
    'curl dig nslookup host tcpdump iperf3 ip ss ping traceroute mtr nmap nc socat ethtool conntrack jq openssl bash nft iptables wget fping ps';
  expect(await pod.run(`for tool in ${tools}; do command -v $tool >/dev/null || echo no $tool; done`)).toBe(
    '',
  );
  expect(await pod.run('nmap -p 5000 127.0.0.1 | grep 5000')).toMatch(/5000\/tcp open/);
  expect(await pod.run('echo "{}" | jq -c . && dig -v 2>&1 && mtr --version && openssl version')).toMatch(
    /^\{\}\nDiG .*\nmtr .*\nOpenSSL 3/,
  );
  expect(await pod.run('traceroute -n -m 1 127.0.0.1; ethtool --version; conntrack --version')).not.toMatch(
    /exit|not found/,
  );
  await pod.end();
}, 120_000);

test("a user's own image, and one that echoes", async () => {
  const page = join(place.folder, 'page.sh');
  writeFileSync(page, '#!/bin/sh\nexec curl -s "$@"\n', { mode: 0o755 });
  const own = { name: 'shop/ask', packages: ['curl'], env: ['A=b c'], files: [`${page}:/srv/ask`] };
  const name = await buildOwn({ ...own, command: ['sleep', '60'] }, new ImageStore(images));
  expect(name).toBe('docker.io/shop/ask:latest');
  await Promise.all(['shop/ask', 'registry.k8s.io/echoserver:1.10'].map((each) => cri.pullImage(each)));
  const echo = await runPod('echo', 'registry.k8s.io/echoserver:1.10');
  const asking = await runPod('ask', 'shop/ask');
  await eventually('the echo', () => /start worker process/.test(echo.log()));
  expect(await asking.run('/srv/ask -A "$A" http://127.0.0.1:8080/path')).toMatch(
    /^Hostname: host-one\nServer address: 127\.0\.0\.1:8080\nClient address: 127\.0\.0\.1:\d+\nRequest: GET \/path HTTP\/1\.1\nHost: 127\.0\.0\.1:8080\nUser-Agent: b c\n/,
  );
  await Promise.all([echo.end(), asking.end()]);
}, 120_000);

test('an image that was pushed runs under its own name, in whatever registry that is', async () => {
  const root = join(place.folder, 'root');
  mkdirSync(join(root, 'bin'), { recursive: true });
  execFileSync('cp', ['/usr/bin/busybox', join(root, 'bin/busybox')]);
  writeFileSync(join(root, 'word'), 'pushed\n');
  execFileSync('ln', ['-s', 'busybox', join(root, 'bin/sh')]);
  const layer = execFileSync('tar', ['-C', root, '-cf', '-', '.'], { maxBuffer: 16 * 1024 * 1024 });
  const image = testImage([layer], { config: { Cmd: ['/bin/busybox', 'sleep', '60'], Env: ['PATH=/bin'] } });

  // Pushed from outside of the namespace, through another door to the same store.
  const door = await serveRegistry({
    store: new ImageStore(images),
    listen: { host: '127.0.0.1', port: 0 },
    push: { user: 'flyover', password },
  });
  const authorization = `Basic ${Buffer.from(`flyover:${password}`).toString('base64')}`;
  const ask: Fetch = (path, init) =>
    fetch(door.url + path, { ...init, headers: { ...init?.headers, authorization } });
  expect((await pushImage(ask, 'ghcr.io/shop/web', '7', image)).status).toBe(201);
  await door.close();

  await expect(cri.pullImage('ghcr.io/shop/web:8')).rejects.toThrow(/ghcr\.io/);
  await cri.pullImage('ghcr.io/shop/web:7');
  await cri.pullImage(`ghcr.io/shop/web@${image.digest}`);
  const pod = await runPod('pushed', 'ghcr.io/shop/web:7');
  expect(await pod.run('busybox cat /word')).toBe('pushed\n');
  await pod.end();
}, 60_000);
