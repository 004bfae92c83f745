import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CriClient } from '../kubelet/cri.ts';
import {
  contentStore,
  criSocket,
  type Machine,
  prepareContainerd,
  startMachine,
  startService,
  waitForContainerd,
} from '../machine/index.ts';
import { output, testPlace } from '../machine/testing.ts';
import { ensureImage } from './build.ts';
import { importImage } from './import.ts';
import { normalizedName } from './name.ts';
import type { BuiltImage } from './oci.ts';
import { PAUSE, TOOLBOX } from './recipe.ts';

const place = testPlace('toolbox');
const images = join(place.folder, 'images');
let machine: Machine;
let toolbox: BuiltImage;

beforeAll(async () => {
  toolbox = await ensureImage(TOOLBOX, images);
  machine = await startMachine({ ...place.spec('one'), addresses: ['127.0.0.1'] });
  await output(machine, 'ip', 'link', 'set', 'lo', 'up');
  await startService(machine, await prepareContainerd(machine, { pauseImage: normalizedName(PAUSE.name) }));
  await waitForContainerd(machine);
  for (const image of [await ensureImage(PAUSE, images), toolbox]) {
    await importImage(criSocket(machine), image, { contentStore: contentStore(machine) });
  }
}, 300_000);
afterAll(() => place.clear());

describe('the toolbox', () => {
  test('is the same when it is built again, from the packages that are there', async () => {
    const debs = (): [string, number][] =>
      readdirSync(join(images, 'debs')).map((name) => [name, statSync(join(images, 'debs', name)).ino]);
    const before = debs();
    expect(await ensureImage(TOOLBOX, images, { refresh: true })).toEqual(toolbox);
    expect(debs()).toEqual(before);
    expect(readdirSync(images).filter((name) => /^(apt|build)-/.test(name))).toEqual([]);
  }, 120_000);

  test('runs all of its tools', async () => {
    using cri = new CriClient(criSocket(machine));
    // The node's own network: no plugin is needed for what is tried here.
    const config = {
      metadata: { name: 'toolbox', uid: 'u', namespace: 'default' },
      dnsConfig: { servers: ['192.0.2.53'] },
      linux: { securityContext: { namespaceOptions: { network: 2 } } },
    };
    const sandbox = await cri.runPodSandbox(config);
    const main = { metadata: { name: 'main' }, image: { image: toolbox.name }, linux: config.linux };
    const container = await cri.createContainer(sandbox, main, config);
    await cri.startContainer(container);
    const expected: [string, RegExp][] = [
      ['readlink /bin/sh; readlink /usr/bin/ls', /^dash\nbusybox\n$/],
      ['curl --version', /^curl \d.*https/s],
      ['nc -h 2>&1', /^OpenBSD netcat/],
      ['socat -V', /socat version/],
      ['ip -V', /^ip utility, iproute2/],
      ['ss -V', /^ss utility, iproute2/],
      ['ping -V', /^ping from iputils/],
      ['ping -c 1 -W 1 127.0.0.1', / 0% packet loss/],
      ['tcpdump --version 2>&1', /^tcpdump version/],
      ['iperf3 --version', /^iperf 3/],
      ['id -un; ls -ld /tmp', /^root\ndrwxrwxrwt /],
      [
        'nc -l 127.0.0.1 7 </dev/null >/tmp/got & until echo hi | nc -N 127.0.0.1 7 2>/dev/null; do :; done; wait; cat /tmp/got',
        /^hi\n$/,
      ],
    ];
    for (const [command, pattern] of expected) {
      const { stdout, stderr } = await cri.execSync(container, ['sh', '-c', command], 20);
      expect(stdout.toString() || stderr.toString(), command).toMatch(pattern);
    }
    const before = Date.now();
    await cri.stopContainer(container, 10);
    expect(Date.now() - before, 'it heeds SIGTERM').toBeLessThan(5_000);
    await cri.stopPodSandbox(sandbox);
    await cri.removePodSandbox(sandbox);
  });
});
