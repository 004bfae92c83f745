import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { deleteNamespace } from '../../kernel/netns.ts';
import {
  execInMachine,
  findMachine,
  findService,
  identify,
  insideMachine,
  isAlive,
  listMachines,
  MACHINE_GONE,
  onOverlay,
  startMachine,
  startService,
  stopMachine,
  stopService,
} from './index.ts';
import { run } from './programs.ts';
import { readRecord, writeRecord } from './record.ts';
import {
  crash,
  eventually,
  leftovers,
  mountNamespace,
  output,
  testPlace,
  testSupervisor,
} from './testing.ts';

const place = testPlace('machine');
afterEach(async () => {
  for (const id of listMachines(place.name)) {
    await stopMachine({
      id,
      stateDir: join(place.folder, id),
      runDir: `/run/${place.name}/${id}`,
      cgroupParent: place.name,
    });
  }
});
afterAll(() => place.clear());

async function inNetns(path: string, ...argv: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(['nsenter', `--net=${path}`, ...argv], {});
  if (code !== 0) throw new Error(`${argv.join(' ')}: ${stderr}`);
  return stdout;
}

describe('a machine', () => {
  test('has namespaces, mounts, names and cgroups of its own', async () => {
    const spec = place.spec('own');
    const machine = await startMachine(spec);
    await inNetns(spec.netns, 'ip', 'link', 'add', 'inside0', 'type', 'veth', 'peer', 'name', 'inside1');

    expect(readFileSync(`/proc/${machine.init.pid}/comm`, 'utf8').trim()).toBe('catatonit');
    for (const kind of ['mnt', 'uts', 'ipc', 'pid', 'net', 'cgroup']) {
      const { stdout } = await output(machine, 'readlink', `/proc/self/ns/${kind}`);
      expect(stdout, kind).not.toBe((await run(['readlink', `/proc/self/ns/${kind}`], {})).stdout);
    }
    expect((await output(machine, 'hostname')).stdout).toBe('host-own\n');
    expect((await output(machine, 'cat', '/etc/resolv.conf')).stdout).toBe('nameserver 168.63.129.16\n');
    expect((await output(machine, 'getent', 'hosts', 'host-own')).stdout).toMatch(/^192\.0\.2\.10\s/);
    expect((await output(machine, 'ls', '/run', '/var/lib', '/etc/cni')).stdout).toBe(
      '/etc/cni:\n\n/run:\n\n/var/lib:\n',
    );
    expect((await output(machine, 'ls', '/sys/class/net')).stdout).toBe('inside0\ninside1\nlo\n');
    expect((await output(machine, 'cat', '/proc/1/comm')).stdout).toBe('catatonit\n');
    const cgroups = (await output(machine, 'cat', '/proc/self/cgroup')).stdout.trim().split('\n');
    expect(new Set(cgroups.map((line) => line.split(':')[2]))).toEqual(new Set(['/system']));
    const mounts = (await output(machine, 'cat', '/proc/self/mountinfo')).stdout;
    expect(mounts).toMatch(/ \/\S* \/ \S+ shared:/);
    expect(mounts.match(/ \/sys /g)).toHaveLength(1);
    await stopMachine(spec, { removeDisk: true });
    expect(existsSync(spec.stateDir)).toBe(false);
  });

  test('keeps what it writes to /etc, /opt and /var/lib, to itself, and nothing to the host', async () => {
    const spec = place.spec('disk');
    const machine = await startMachine(spec);
    // Where Debian's CNI plugins lie, installers link theirs.
    const plugins = existsSync('/usr/lib/cni') ? ['/usr/lib/cni/fly-test'] : [];
    for (const path of ['/etc/fly-test', '/opt/fly-test', '/var/lib/fly-test', '/run/fly-test', ...plugins]) {
      writeFileSync(insideMachine(machine, path), 'kept');
      expect(existsSync(path), path).toBe(false);
    }
    for (const path of ['/usr/fly-test', '/root/fly-test', '/fly-test', '/var/fly-test']) {
      const { code, stderr } = await output(machine, 'touch', path);
      expect([code, stderr], path).toEqual([1, expect.stringContaining('Read-only file system')]);
    }
    const shared = `/tmp/${place.name}`;
    expect((await output(machine, 'touch', shared, `/var${shared}`)).code).toBe(0);
    for (const path of [shared, `/var${shared}`]) rmSync(path);
    await stopMachine(spec);
    const again = await startMachine(spec);
    // A disk on an overlay, as in a container, holds the overlays of /etc and /opt in memory.
    const kept = onOverlay(spec.stateDir) ? ['/var/lib'] : ['/var/lib', '/etc', '/opt'];
    for (const tree of kept)
      expect((await output(again, 'cat', `${tree}/fly-test`)).stdout, tree).toBe('kept');
    expect((await output(again, 'cat', '/run/fly-test')).code).toBe(1);
  });

  test('shows what must stay visible in hidden trees', async () => {
    const kept = `/run/${place.name}/kept`;
    mkdirSync(kept, { recursive: true });
    writeFileSync(join(kept, 'file'), 'seen');
    const machine = await startMachine({ ...place.spec('keep'), keep: [kept, join(kept, 'file')] });
    expect((await output(machine, 'cat', join(kept, 'file'))).stdout).toBe('seen');
    expect((await output(machine, 'ls', '/run')).stdout).toBe(`${place.name}\n`);
    expect(readFileSync(join(kept, 'file'), 'utf8')).toBe('seen');
  });

  test('passes on exit status, signals, input, environment and folder', async () => {
    const machine = await startMachine(place.spec('exec'));
    expect((await output(machine, 'sh', '-c', 'exit 7')).code).toBe(7);
    expect((await output(machine, 'no-such-program')).code).toBe(127);
    const child = execInMachine(machine, ['sh', '-c', 'pwd; echo "$WORD"; cat; echo end >&2'], {
      cwd: '/var/lib',
      env: { WORD: 'a "b" $c' },
    });
    let text = '';
    child.stdout!.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    child.stdin!.end('input\n');
    expect(await new Promise((resolve) => child.on('close', resolve))).toBe(0);
    expect(text).toBe('/var/lib\na "b" $c\ninput\n');
    await stopMachine(machine);
    expect((await output(machine, 'true')).code).toBe(MACHINE_GONE);
  });

  test('is the same one when it is started again, and is not found behind a recycled pid', async () => {
    const spec = place.spec('same');
    const machine = await startMachine(spec);
    expect((await startMachine(spec)).init).toEqual(machine.init);
    expect(findMachine(spec)).toEqual(machine);
    const record = readRecord(spec)!;
    writeRecord(spec, { ...record, init: { pid: process.pid, startTime: machine.init.startTime } });
    expect(findMachine(spec)).toBeUndefined();
    // Its record says nothing true any more; its cgroup still leads to it.
    await stopMachine(spec);
    expect(isAlive(machine.init)).toBe(false);
    expect(isAlive({ pid: process.pid, startTime: 'x' })).toBe(false);
  });

  test('lets other namespaces go, and its own goes with it', async () => {
    const outside = place.netns('outside');
    const other = place.netns('other');
    const spec = place.spec('pins');
    await inNetns(outside, 'ip', 'link', 'add', 'to-other', 'type', 'veth', 'peer', 'name', 'x');
    await inNetns(outside, 'ip', 'link', 'add', 'to-own', 'type', 'veth', 'peer', 'name', 'y');
    const machine = await startMachine(spec);
    await inNetns(outside, 'ip', 'link', 'set', 'y', 'netns', String(machine.init.pid));
    const mover = await startMachine({
      ...spec,
      id: 'mover',
      netns: other,
      stateDir: join(place.folder, 'mover'),
      runDir: `/run/${place.name}/mover`,
    });
    await inNetns(outside, 'ip', 'link', 'set', 'x', 'netns', String(mover.init.pid));
    await stopMachine(mover, { removeDisk: true });
    const names = async (): Promise<string> => inNetns(outside, 'ip', '-br', 'link');
    expect(await names()).toContain('to-other');
    // The first machine inherited a copy of the second namespace's mount; had it kept it, this would not end.
    deleteNamespace(other);
    for (const deadline = Date.now() + 10_000; (await names()).includes('to-other'); await delay(50)) {
      expect(Date.now(), 'the other namespace is still pinned').toBeLessThan(deadline);
    }
    expect(await names()).toContain('to-own');
    await stopMachine(spec);
    deleteNamespace(spec.netns);
    for (const deadline = Date.now() + 10_000; (await names()).includes('to-own'); await delay(50)) {
      expect(Date.now(), 'its own namespace is still pinned').toBeLessThan(deadline);
    }
  });

  test('says what was wrong with it and leaves nothing', async () => {
    const spec = place.spec('wrong');
    await expect(startMachine({ ...spec, netns: `/run/${place.name}/no-such` })).rejects.toThrow(
      /start wrong: .*no-such/,
    );
    expect(leftovers(place)).toEqual([]);
    expect(existsSync(spec.runDir)).toBe(false);
    await expect(startMachine({ ...spec, keep: ['/no/such'] })).rejects.toThrow(
      'start wrong: keep "/no/such" does not exist',
    );
    await stopMachine(spec);
    expect(leftovers(place)).toEqual([]);
  });

  test('killing everything in it ends with nothing left', async () => {
    const spec = place.spec('stop');
    const machine = await startMachine(spec);
    const ns = mountNamespace(machine.init.pid);
    const stubborn = ['/bin/sh', '-c', 'trap "" TERM INT HUP; while :; do sleep 100; done'];
    const service = await startService(machine, { name: 'stubborn', argv: stubborn });
    const session = execInMachine(machine, ['sleep', '1000']);
    await stopMachine(spec);
    expect(isAlive(service.process)).toBe(false);
    await new Promise((resolve) =>
      (session.exitCode ?? session.signalCode) === null ? session.on('exit', resolve) : resolve(null),
    );
    expect(leftovers(place, [ns])).toEqual([]);
    await stopMachine(spec);
  });
});

describe('a service', () => {
  test('is adopted by the machine, logs, is found and started once', async () => {
    const spec = place.spec('svc');
    const machine = await startMachine(spec);
    const argv = ['/bin/sh', '-c', 'echo hello; echo there >&2; exec sleep 1000'];
    const service = await startService(machine, { name: 'talker', argv, env: { A: '1' } });
    expect((await startService(machine, { name: 'talker', argv })).process).toEqual(service.process);
    expect(findService(spec, 'talker')).toEqual(service);
    const status = readFileSync(`/proc/${service.process.pid}/status`, 'utf8');
    expect(status).toMatch(new RegExp(`^PPid:\\s+${machine.init.pid}$`, 'm'));
    const environment = readFileSync(`/proc/${service.process.pid}/environ`, 'utf8').split('\0');
    expect(environment).toContain('A=1');
    expect(environment.some((entry) => entry.startsWith('NODE') || entry.startsWith('VITEST'))).toBe(false);
    await eventually('its log', () => readFileSync(service.log, 'utf8') === 'hello\nthere\n');

    await expect(startService(machine, { name: 'relative', argv: ['sleep', '1'] })).rejects.toThrow(
      'absolute path',
    );
    await stopService(spec, 'talker');
  });

  test('that was started but not written down is taken over', async () => {
    const spec = place.spec('adopt');
    const machine = await startMachine(spec);
    const sleeper = { name: 'sleeper', argv: ['/usr/bin/sleep', '1000'] };
    const service = await startService(machine, sleeper);
    writeRecord(spec, { ...readRecord(spec)!, services: {} });
    expect((await startService(machine, sleeper)).process).toEqual(service.process);
    // Another service with the same command line is another service.
    const twin = await startService(machine, { ...sleeper, name: 'twin' });
    expect(twin.process).not.toEqual(service.process);
    await stopService(spec, 'sleeper');
    expect(isAlive(service.process)).toBe(false);
    expect(isAlive(twin.process)).toBe(true);
    await stopService(spec, 'sleeper');
  });

  test('that does not heed SIGTERM is killed', async () => {
    const spec = place.spec('term');
    const machine = await startMachine(spec);
    const argv = ['/bin/sh', '-c', 'trap "" TERM; echo ready; while :; do sleep 100; done'];
    const service = await startService(machine, { name: 'deaf', argv });
    await eventually('its trap', () => readFileSync(service.log, 'utf8') === 'ready\n');
    const before = Date.now();
    await stopService(spec, 'deaf', { timeoutMs: 200 });
    expect(isAlive(service.process)).toBe(false);
    expect(Date.now() - before).toBeGreaterThanOrEqual(200);
  });

  test('whose program is missing says so', async () => {
    const machine = await startMachine(place.spec('missing'));
    await expect(startService(machine, { name: 'gone', argv: ['/no/such/program'] })).rejects.toThrow(
      /start service missing\/gone: ended at once; see .*gone\.log/,
    );
  });
});

describe('after its supervisor was killed', () => {
  test('a machine lives on and is found', async () => {
    const spec = place.spec('orphan');
    await crash(await testSupervisor(spec, 'containerd'));
    const machine = findMachine(spec);
    expect(machine).toBeDefined();
    expect(findService(spec, 'containerd')).toBeDefined();
    expect((await output(machine!, 'hostname')).stdout).toBe('host-orphan\n');
    const ns = mountNamespace(machine!.init.pid);
    await stopMachine(spec, { removeDisk: true });
    expect(leftovers(place, [ns])).toEqual([]);
  });

  test('at any moment of its start, it is started anew', async () => {
    const spec = place.spec('half');
    for (let wait = 0; wait <= 120; wait += 12) {
      const supervisor = await testSupervisor(spec, 'machine');
      await delay(wait);
      await crash(supervisor);
      const machine = await startMachine(spec);
      expect((await output(machine, 'hostname')).stdout, `killed after ${wait} ms`).toBe('host-half\n');
      expect(listMachines(place.name)).toEqual(['half']);
      const inits = readdirSync('/proc').filter((pid) => {
        if (!identify(Number(pid))) return false;
        try {
          const text = readFileSync(`/proc/${pid}/cgroup`, 'utf8');
          return (
            text.includes(place.name) && /^NSpid:.*\t1$/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
          );
        } catch {
          return false;
        }
      });
      expect(inits).toEqual([String(machine.init.pid)]);
      await stopMachine(spec);
      expect(leftovers(place)).toEqual([]);
    }
  });
});
