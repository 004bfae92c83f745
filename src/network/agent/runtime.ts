import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';

/** What the container runtime knows of its pod sandboxes. */
export interface Sandboxes {
  /** Ids of all sandboxes that it lists, running or stopped but not yet removed. */
  readonly ids: ReadonlySet<string>;
}

const CALL_TIMEOUT_MS = 10_000;
/** Two hundred sandboxes with their labels are some 200 KB. */
const MAX_MESSAGE = 64 << 20;

/** The argument that turns the agent's executable into {@link printSandboxes}. */
export const LIST_ARGUMENT = '--list-sandboxes';

/**
 * Asks the runtime behind a CRI socket for its sandboxes, in a process of its own: a gRPC client costs 17 MB of
 * memory, is needed once at start and rarely afterwards, and a runtime that hangs cannot hold the agent up.
 *
 * @returns undefined when there is no socket or nobody answers on it: then nothing is known, and nothing may be
 *   concluded. `onError` hears why.
 */
export function askRuntime(
  socket: string,
  command: readonly string[],
  onError: (error: Error) => void,
): Promise<Sandboxes | undefined> {
  if (!existsSync(socket)) return Promise.resolve(undefined);
  const [file = process.execPath, ...rest] = command;
  return new Promise((resolve) => {
    const options = { timeout: CALL_TIMEOUT_MS + 5000, maxBuffer: MAX_MESSAGE };
    execFile(file, [...rest, LIST_ARGUMENT, socket], options, (error, stdout, stderr) => {
      if (error) {
        onError(new Error(`asking the runtime at ${socket} failed: ${stderr.trim() || error.message}`));
        resolve(undefined);
        return;
      }
      resolve({ ids: new Set(JSON.parse(stdout) as string[]) });
    });
  });
}

/** The other side of {@link askRuntime}: the ids as a JSON list on stdout. Runs in the child. */
export async function printSandboxes(socket: string): Promise<void> {
  process.stdout.write(`${JSON.stringify(await listSandboxes(socket))}\n`);
}

/**
 * The ids of all sandboxes (`runtime.v1.RuntimeService/ListPodSandbox`, containerd 1.6 and CRI-O 1.23 on).
 *
 * @throws Error with gRPC's status when the runtime refuses or does not answer within 10 s
 */
export async function listSandboxes(socket: string): Promise<string[]> {
  // Not at the top: the agent itself must never load it.
  const { Client, credentials } = await import('@grpc/grpc-js');
  // containerd compares the authority; for a unix socket it would be the path.
  const client = new Client(`unix://${socket}`, credentials.createInsecure(), {
    'grpc.default_authority': 'localhost',
    'grpc.max_receive_message_length': MAX_MESSAGE,
  });
  try {
    return await new Promise<string[]>((resolve, reject) => {
      client.makeUnaryRequest(
        '/runtime.v1.RuntimeService/ListPodSandbox',
        () => Buffer.alloc(0), // ListPodSandboxRequest without a filter
        sandboxIds,
        {},
        { deadline: Date.now() + CALL_TIMEOUT_MS },
        (error, ids) => (error ? reject(error) : resolve(ids ?? [])),
      );
    });
  } finally {
    client.close();
  }
}

/** `ListPodSandboxResponse { repeated PodSandbox items = 1; }`, `PodSandbox { string id = 1; ... }` */
export function sandboxIds(message: Buffer): string[] {
  const ids: string[] = [];
  for (const [field, item] of lengthDelimited(message)) {
    if (field !== 1) continue;
    for (const [inner, value] of lengthDelimited(item)) if (inner === 1) ids.push(value.toString('utf8'));
  }
  return ids;
}

/** The length-delimited fields of a protobuf message; all others are skipped. */
function* lengthDelimited(message: Buffer): Generator<[field: number, value: Buffer]> {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = message[at++];
      if (byte === undefined || scale > 2 ** 63)
        throw new RangeError("the runtime's answer is cut or malformed");
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < message.length) {
    const key = varint();
    const wire = key % 8;
    if (wire === 0) varint();
    else if (wire === 1) at += 8;
    else if (wire === 5) at += 4;
    else if (wire === 2) {
      const length = varint();
      if (at + length > message.length) throw new RangeError("the runtime's answer is cut or malformed");
      yield [Math.floor(key / 8), message.subarray(at, at + length)];
      at += length;
    } else throw new RangeError(`the runtime's answer has wire type ${wire}, which protobuf does not`);
  }
}
