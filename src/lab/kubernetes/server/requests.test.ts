import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeContinue, encodeContinue } from './continue-token.ts';
import { acceptsGzip, negotiate } from './negotiate.ts';
import { requestInfo, selectedName } from './request-info.ts';

const info = (method: string, url: string) => {
  const [path = '', query = ''] = url.split('?');
  const { verb, group, version, namespace, resource, name, subresource, rest, isResource } = requestInfo(
    method,
    path,
    new URLSearchParams(query),
  );
  return isResource ? [verb, group, version, namespace, resource, name, subresource, rest] : [verb];
};

describe('requestInfo', () => {
  it.each([
    ['GET', '/api/v1/pods', ['list', '', 'v1', undefined, 'pods', undefined, undefined, undefined]],
    [
      'GET',
      '/api/v1/pods?watch=true',
      ['watch', '', 'v1', undefined, 'pods', undefined, undefined, undefined],
    ],
    [
      'GET',
      '/api/v1/pods?watch=false',
      ['list', '', 'v1', undefined, 'pods', undefined, undefined, undefined],
    ],
    [
      'GET',
      '/api/v1/watch/namespaces/n/pods',
      ['watch', '', 'v1', 'n', 'pods', undefined, undefined, undefined],
    ],
    [
      'GET',
      '/api/v1/namespaces',
      ['list', '', 'v1', undefined, 'namespaces', undefined, undefined, undefined],
    ],
    ['GET', '/api/v1/namespaces/n', ['get', '', 'v1', 'n', 'namespaces', 'n', undefined, undefined]],
    [
      'PUT',
      '/api/v1/namespaces/n/finalize',
      ['update', '', 'v1', 'n', 'namespaces', 'n', 'finalize', undefined],
    ],
    [
      'DELETE',
      '/api/v1/namespaces/n/pods',
      ['deletecollection', '', 'v1', 'n', 'pods', undefined, undefined, undefined],
    ],
    ['DELETE', '/api/v1/namespaces/n/pods/p', ['delete', '', 'v1', 'n', 'pods', 'p', undefined, undefined]],
    [
      'POST',
      '/api/v1/namespaces/n/pods/p/binding',
      ['create', '', 'v1', 'n', 'pods', 'p', 'binding', undefined],
    ],
    [
      'PATCH',
      '/apis/apps/v1/namespaces/n/deployments/d/scale',
      ['patch', 'apps', 'v1', 'n', 'deployments', 'd', 'scale', undefined],
    ],
    ['GET', '/api/v1/nodes/n/proxy/a/b', ['get', '', 'v1', undefined, 'nodes', 'n', 'proxy', 'a/b']],
    ['GET', '/apis/g/v1/things/a%2Fb', ['get', 'g', 'v1', undefined, 'things', 'a/b', undefined, undefined]],
    ['GET', '/version', ['get']],
    ['GET', '/apis/apps/v1', ['get']],
    ['GET', '/api', ['get']],
  ])('%s %s', (method, url, expected) => {
    expect(info(method, url)).toEqual(Array.from(expected));
  });

  it('refuses what is not properly encoded', () => {
    expect(() => info('GET', '/api/v1/pods/%E0%A4%A')).toThrow('not properly encoded');
  });
});

describe('selectedName', () => {
  const of = (verb: string, fieldSelector: string): string | undefined =>
    selectedName(verb, new URLSearchParams({ fieldSelector }));

  it('is the one name that a collection is narrowed to', () => {
    expect(of('list', 'metadata.name=settings')).toBe('settings');
    expect(of('watch', 'spec.nodeName=n1,metadata.name==settings')).toBe('settings');
    expect(of('deletecollection', 'metadata.name=settings')).toBe('settings');
  });

  it.each([
    ['get', 'metadata.name=settings'],
    ['list', 'metadata.name!=settings'],
    ['list', 'metadata.name='],
    ['list', 'metadata.name'],
    ['list', ''],
  ])('%s with %j names nobody', (verb, selector) => {
    expect(of(verb, selector)).toBeUndefined();
  });
});

describe('negotiate', () => {
  const accept = (text?: string) => negotiate({ headers: { ...(text && { accept: text }) } });
  it('takes the first form that is served', () => {
    expect(accept()).toEqual({ encoding: 'json', as: 'Object' });
    expect(accept('application/vnd.kubernetes.protobuf,application/json')).toEqual({
      encoding: 'json',
      as: 'Object',
    });
    expect(accept('application/json;as=Table;v=v1;g=meta.k8s.io,application/json')).toEqual({
      encoding: 'json',
      as: 'Table',
    });
    expect(accept('application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json').as).toBe('Object');
    expect(accept('application/yaml').encoding).toBe('yaml');
    expect(() => accept('application/vnd.kubernetes.protobuf')).toThrow('media types');
  });

  it('compresses only for those who ask', () => {
    const gzip = (text: string) => acceptsGzip({ headers: { 'accept-encoding': text } });
    expect(['gzip', 'br, gzip', 'gzip;q=0.5', 'deflate, gzip;q=1.0, *'].map(gzip)).toEqual([
      true,
      true,
      true,
      true,
    ]);
    expect(['', 'br', 'gzip;q=0', 'gzip; q=0.0', 'xgzip'].map(gzip)).toEqual([
      false,
      false,
      false,
      false,
      false,
    ]);
  });
});

it('continue tokens come back, and only to their own list', () => {
  fc.assert(
    fc.property(fc.nat(), fc.string(), (revision, name) => {
      const token = { revision, after: `/pods/${name}` };
      expect(decodeContinue(encodeContinue(token), '/pods/')).toEqual(token);
      expect(() => decodeContinue(encodeContinue(token), '/nodes/')).toThrow('not valid');
    }),
  );
  fc.assert(
    fc.property(fc.string(), (text) => {
      expect(() => decodeContinue(text, '/pods/')).toThrow('not valid');
    }),
  );
});
