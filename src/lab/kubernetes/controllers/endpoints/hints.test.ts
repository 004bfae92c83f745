import { expect, test } from 'vitest';
import { hintsOf } from './hints.ts';

const endpoint = { addresses: ['10.244.0.2'], conditions: { ready: true }, zone: 'eastus-1', nodeName: 'n1' };
const zones = [{ name: 'eastus-1' }];

test.each([
  [undefined, undefined],
  ['Random', undefined],
  ['PreferClose', { forZones: zones }],
  ['PreferSameZone', { forZones: zones }],
  ['PreferSameNode', { forZones: zones, forNodes: [{ name: 'n1' }] }],
])('trafficDistribution %s', (distribution, hints) => {
  expect(hintsOf(distribution, endpoint)).toEqual(hints);
});

test('what is not ready, or is nowhere, has none', () => {
  expect(hintsOf('PreferSameNode', { ...endpoint, conditions: { ready: false } })).toBeUndefined();
  expect(hintsOf('PreferClose', { addresses: ['10.244.0.2'], conditions: { ready: true } })).toBeUndefined();
});
