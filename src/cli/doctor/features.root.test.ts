import { readdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { expect, test } from 'vitest';
import { namespaceId } from '../../kernel/netns.ts';
import { LAB_STATE } from '../../lab/paths.ts';
import { collectFeatures } from './features.ts';

const OWN = '/proc/thread-self/ns/net';

test('trying what the kernel can do leaves no trace', () => {
  const look = (): unknown => ({
    namespace: namespaceId(OWN),
    links: readFileSync('/proc/self/net/dev', 'utf8').match(/^ *probe\d/gm),
    mounts: readFileSync('/proc/self/mountinfo', 'utf8').match(/flyover-doctor/g),
    folders: readdirSync(dirname(LAB_STATE)).filter((name) => name.startsWith('.flyover-doctor')),
  });
  const before = look();
  const features = collectFeatures(true);
  expect(look()).toEqual(before);
  expect(before).toMatchObject({ links: null, mounts: null, folders: [] });
  // What the other root tests need anyway.
  expect(features).toMatchObject({
    namespaces: { works: true },
    veth: { works: true },
    nftables: { works: true },
    overlay: { works: true },
  });
});

test('without root nothing is tried', () => {
  expect(new Set(Object.values(collectFeatures(false)))).toEqual(new Set([undefined]));
});
