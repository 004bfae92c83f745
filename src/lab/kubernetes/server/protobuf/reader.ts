/** The body is not what protobuf says it should be. */
export class ProtobufError extends Error {
  override name = 'ProtobufError';
}

/** One field of a message as it stands on the wire. */
export interface WireField {
  number: number;
  /** Of varints; bits of fixed ones are not read, Kubernetes has only doubles there. */
  value: bigint;
  /** Of length-delimited fields. */
  bytes: Buffer | undefined;
  /** Of 64-bit fields. */
  double: number;
}

const EMPTY = { value: 0n, bytes: undefined, double: 0 };

/** The fields of a message in their order. @throws ProtobufError when it is cut or has types that are not in use any more */
export function* wireFields(message: Buffer): Generator<WireField> {
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = message[at++];
      if (byte === undefined) break;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw new ProtobufError('a number is cut or too long');
  };
  const take = (length: number): Buffer => {
    if (at + length > message.length) throw new ProtobufError('a field is longer than its message');
    at += length;
    return message.subarray(at - length, at);
  };
  while (at < message.length) {
    const tag = Number(varint());
    const number = Math.floor(tag / 8);
    switch (tag % 8) {
      case 0:
        yield { ...EMPTY, number, value: varint() };
        break;
      case 1:
        yield { ...EMPTY, number, double: take(8).readDoubleLE() };
        break;
      case 2:
        yield { ...EMPTY, number, bytes: take(Number(varint())) };
        break;
      case 5:
        take(4);
        break;
      default:
        throw new ProtobufError(`a field has the wire type ${tag % 8}`);
    }
  }
}
