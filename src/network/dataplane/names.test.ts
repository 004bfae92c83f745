import fc from 'fast-check';
import { expect, it } from 'vitest';
import { attachmentOfAlias, hostLinkName, linkAlias, linkMacs, vxlanMac } from './names.ts';

const attachment = fc.record({
  containerId: fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,199}$/),
  ifName: fc.stringMatching(/^[a-z0-9]{1,15}$/),
});

it('names host ends as the other daemons expect them', () => {
  // printf '%s' 'c1/eth0' | sha256sum | cut -c1-11
  expect(hostLinkName({ containerId: 'c1', ifName: 'eth0' })).toBe('azvd72e032fedd');
});

it('always fits the kernel and comes back from the alias', () => {
  fc.assert(
    fc.property(attachment, (one) => {
      expect(hostLinkName(one)).toMatch(/^azv[0-9a-f]{11}$/);
      expect(Buffer.byteLength(linkAlias(one))).toBeLessThan(256);
      expect(attachmentOfAlias(linkAlias(one))).toEqual(one);
    }),
  );
});

it('takes no foreign alias for its own', () => {
  for (const alias of [undefined, '', 'flyover:', 'flyover:a', 'flyover:/eth0', 'flyover:a/', 'x:a/eth0']) {
    expect(attachmentOfAlias(alias)).toBeUndefined();
  }
});

it('makes unicast, locally administered and different MACs', () => {
  fc.assert(
    fc.property(attachment, (one) => {
      const { host, pod } = linkMacs(one);
      expect(host).not.toBe(pod);
      for (const mac of [host, pod]) {
        expect(mac).toMatch(/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/);
        expect(Number.parseInt(mac.slice(0, 2), 16) & 3).toBe(2);
      }
    }),
  );
  expect(vxlanMac('10.0.1.4')).toMatch(/^02(:[0-9a-f]{2}){5}$/);
});
