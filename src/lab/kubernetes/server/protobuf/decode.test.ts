import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeProtobuf } from './decode.ts';
import { ProtobufError } from './reader.ts';

/** Just enough of an encoder to say what official clients say. */
const varint = (value: bigint | number): Buffer => {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  do {
    bytes.push(Number(rest & 0x7fn) | (rest > 0x7fn ? 0x80 : 0));
    rest >>= 7n;
  } while (rest > 0n);
  return Buffer.from(bytes);
};
const number = (field: number, value: bigint | number) => Buffer.concat([varint(field * 8), varint(value)]);
const bytes = (field: number, ...parts: (Buffer | string)[]) => {
  const body = Buffer.concat(parts.map((part) => Buffer.from(part as string)));
  return Buffer.concat([varint(field * 8 + 2), varint(body.length), body]);
};
const object = (apiVersion: string, kind: string, ...fields: Buffer[]) =>
  Buffer.concat([Buffer.from('k8s\0'), bytes(1, bytes(1, apiVersion), bytes(2, kind)), bytes(2, ...fields)]);

describe('decodeProtobuf', () => {
  it('reads what kubectl creates: metadata, maps of text and bytes, times', () => {
    const metadata = bytes(
      1,
      bytes(1, 's'),
      bytes(3, ''),
      number(7, 0),
      bytes(8, number(1, 1_700_000_000)),
      bytes(11, bytes(1, 'a'), bytes(2, 'b')),
    );
    const secret = object(
      'v1',
      'Secret',
      metadata,
      bytes(2, bytes(1, 'k'), bytes(2, 'value')),
      bytes(3, 'Opaque'),
      number(5, 0),
    );
    expect(decodeProtobuf(secret)).toEqual({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 's', creationTimestamp: '2023-11-14T22:13:20Z', labels: { a: 'b' } },
      data: { k: Buffer.from('value').toString('base64') },
      type: 'Opaque',
      immutable: false,
    });
  });

  it('reads lists, quantities, numbers that may be text, and structs within structs', () => {
    const probe = bytes(
      10,
      bytes(1, bytes(2, bytes(1, '/'), bytes(2, number(1, 1), bytes(3, 'http')))),
      number(2, 5),
      number(3, 0),
    );
    const container = bytes(
      2,
      bytes(1, 'c'),
      bytes(2, 'nginx'),
      probe,
      bytes(8, bytes(1, bytes(1, 'cpu'), bytes(2, bytes(1, '10m')))),
    );
    const volume = bytes(1, bytes(1, 'v'), bytes(2, bytes(2)));
    const pod = object('v1', 'Pod', bytes(1, bytes(1, 'p')), bytes(2, volume, container, number(4, 0)));
    expect(decodeProtobuf(pod).spec).toEqual({
      volumes: [{ name: 'v', emptyDir: {} }],
      containers: [
        {
          name: 'c',
          image: 'nginx',
          livenessProbe: { httpGet: { path: '/', port: 'http' }, initialDelaySeconds: 5 },
          resources: { limits: { cpu: '10m' } },
        },
      ],
      terminationGracePeriodSeconds: 0,
    });
  });

  it('keeps negative numbers and zeros that are meant', () => {
    const deployment = object('apps/v1', 'Deployment', bytes(1, bytes(1, 'd')), bytes(2, number(1, 0)));
    expect(decodeProtobuf(deployment).spec).toEqual({ replicas: 0 });
    const options = object('v1', 'DeleteOptions', number(1, -1n));
    expect(decodeProtobuf(options)).toEqual({
      apiVersion: 'v1',
      kind: 'DeleteOptions',
      gracePeriodSeconds: -1,
    });
  });

  it('refuses what it does not know, and never breaks on what is sent', () => {
    expect(() => decodeProtobuf(object('example.com/v1', 'Widget', bytes(1, 'x')))).toThrow('not known');
    expect(() => decodeProtobuf(Buffer.from('{}'))).toThrow(ProtobufError);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
        try {
          decodeProtobuf(object('v1', 'Pod', Buffer.from(noise)));
        } catch (error) {
          expect(error).toBeInstanceOf(ProtobufError);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it('takes no names for prototypes', () => {
    const map = object('v1', 'ConfigMap', bytes(2, bytes(1, '__proto__'), bytes(2, 'x')));
    const { data } = decodeProtobuf(map) as { data: object };
    expect(Object.keys(data)).toEqual(['__proto__']);
    expect(Object.getPrototypeOf(data)).toBe(Object.prototype);
  });
});
