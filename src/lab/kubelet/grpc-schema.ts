import { fromJSON, type ServiceDefinition } from '@grpc/proto-loader';

/*
 * A protobuf subset as plain tables, from which both the wire format and the TypeScript types follow. A message is
 * `{ fieldName: [number, type] }` with the type one of the scalars below, the name of another message of the same
 * schema, `map` (string to string), or either of the first two with `[]` behind. Enums are int32 on the wire and here.
 */

interface Scalars {
  string: string;
  bool: boolean;
  int32: number;
  uint32: number;
  /** 64-bit numbers come back as decimal text: nanoseconds since 1970 do not fit a JavaScript number. */
  int64: string;
  uint64: string;
  bytes: Buffer;
}

type Field = readonly [number, string];
export type Schema = Readonly<Record<string, Readonly<Record<string, Field>>>>;

type ReplyValue<S extends Schema, T extends string> = T extends `${infer U}[]`
  ? ReplyValue<S, U>[]
  : T extends 'map'
    ? Record<string, string>
    : T extends keyof Scalars
      ? Scalars[T]
      : T extends keyof S
        ? Reply<S, T> | null
        : never;

/** A message as it is received: every scalar, list and map is there; a message that was not sent is null. */
export type Reply<S extends Schema, N extends keyof S> = {
  -readonly [F in keyof S[N]]: S[N][F][1] extends `${infer U}[]`
    ? U extends keyof S
      ? Reply<S, U>[]
      : ReplyValue<S, S[N][F][1]>
    : ReplyValue<S, S[N][F][1]>;
};

type RequestValue<S extends Schema, T extends string> = T extends `${infer U}[]`
  ? readonly RequestValue<S, U>[]
  : T extends 'map'
    ? Readonly<Record<string, string>>
    : T extends 'int64' | 'uint64'
      ? number | string
      : T extends 'bytes'
        ? Uint8Array
        : T extends keyof Scalars
          ? Scalars[T]
          : T extends keyof S
            ? Request<S, T>
            : never;

/** A message to be sent: what is left out has its protobuf default. */
export type Request<S extends Schema, N extends keyof S> = {
  readonly [F in keyof S[N]]?: RequestValue<S, S[N][F][1]>;
};

/** A method: request message, reply message; `stream` when both directions are streams. */
export type Method = readonly [request: string, reply: string, stream?: 'stream'];
export type Services = Readonly<Record<string, Readonly<Record<string, Method>>>>;

function fieldJson([id, type]: Field): object {
  if (type === 'map') return { keyType: 'string', type: 'string', id };
  return type.endsWith('[]') ? { rule: 'repeated', type: type.slice(0, -2), id } : { type, id };
}

/**
 * Turns tables into the definitions that `@grpc/grpc-js` works with, by full service name
 * (`runtime.v1.RuntimeService`).
 *
 * @param name - the protobuf package
 */
export function defineServices(
  name: string,
  schema: Schema,
  services: Services,
): Record<string, ServiceDefinition> {
  const nested: Record<string, object> = {};
  for (const [message, fields] of Object.entries(schema)) {
    nested[message] = {
      fields: Object.fromEntries(Object.entries(fields).map(([key, field]) => [key, fieldJson(field)])),
    };
  }
  for (const [service, methods] of Object.entries(services)) {
    const entries = Object.entries(methods).map(([method, [request, reply, stream]]) => [
      method,
      {
        requestType: request,
        responseType: reply,
        ...(stream ? { requestStream: true, responseStream: true } : {}),
      },
    ]);
    nested[service] = { methods: Object.fromEntries(entries) };
  }
  // The wire format of an enum is that of int32, and field names are used as they stand in the tables.
  const root = name
    .split('.')
    .reduceRight<object>((inner, part) => ({ nested: { [part]: inner } }), { nested });
  return fromJSON(root as Parameters<typeof fromJSON>[0], {
    longs: String,
    bytes: Buffer as unknown as ArrayConstructor,
    defaults: true,
    oneofs: false,
  }) as unknown as Record<string, ServiceDefinition>;
}
