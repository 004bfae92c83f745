import { Client, credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import type { MethodDefinition } from '@grpc/proto-loader';
import { statusName } from '../grpc-client.ts';
import { defineServices } from '../grpc-schema.ts';

/** The public health protocol of gRPC (grpc.health.v1). */
const SCHEMA = {
  HealthCheckRequest: { service: [1, 'string'] },
  HealthCheckResponse: { status: [1, 'int32'] },
} as const;
const SERVICES = { Health: { Check: ['HealthCheckRequest', 'HealthCheckResponse'] } } as const;
const SERVING = 1;
const NAMES = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'];

let check: MethodDefinition<object, object> | undefined;

/** Asks a server whether it serves. Never throws. */
export function checkGrpc(
  host: string,
  port: number,
  service: string,
  timeoutMs: number,
): Promise<{ success: boolean; output: string }> {
  check ??= defineServices('grpc.health.v1', SCHEMA, SERVICES)['grpc.health.v1.Health']!
    .Check as MethodDefinition<object, object>;
  const { path, requestSerialize, responseDeserialize } = check;
  const address = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  const client = new Client(address, credentials.createInsecure(), { 'grpc.enable_retries': 0 });
  return new Promise((resolve) => {
    const done = (error: ServiceError | null, reply?: object): void => {
      client.close();
      if (error) {
        resolve({ success: false, output: grpcFault(error, address, timeoutMs) });
        return;
      }
      const { status } = reply as { status: number };
      const output = `service unhealthy (responded with "${NAMES[status] ?? status}")`;
      resolve(status === SERVING ? { success: true, output: 'service healthy' } : { success: false, output });
    };
    const options = { deadline: Date.now() + timeoutMs };
    client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      { service },
      new Metadata(),
      options,
      done,
    );
  });
}

function grpcFault(error: ServiceError, address: string, timeoutMs: number): string {
  const code = statusName(error.code);
  if (code === 'UNIMPLEMENTED')
    return `error: this server does not implement the grpc health protocol (grpc.health.v1.Health): ${error.details}`;
  if (code === 'DEADLINE_EXCEEDED')
    return `timeout: failed to connect service "${address}" within ${timeoutMs / 1000}s: context deadline exceeded`;
  return `error: failed to connect service "${address}": ${error.details}`;
}
