import { WebSocket } from 'ws';
import type { KubeConfig } from '../../kube/kube-config.ts';

/** The protocol of kubectl 1.31 and newer: the first byte of a message is its stream. */
const PROTOCOL = 'v5.channel.k8s.io';
const STREAMS = { stdout: 1, stderr: 2, error: 3 };

export interface Outcome {
  code: number;
  output: string;
}

/** What the error stream says at the end (a Status): how the program ended. */
interface Ending {
  status?: string;
  message?: string;
  details?: { causes?: { reason?: string; message?: string }[] };
}

/**
 * Runs a program in a pod's only container through the Kubernetes API, as `kubectl exec` does.
 * @throws Error when it cannot be run, or has not ended after `timeoutMs`
 */
export async function execInPod(
  config: KubeConfig,
  pod: { namespace: string; name: string },
  argv: readonly string[],
  timeoutMs: number,
): Promise<Outcome> {
  const query = new URLSearchParams({ stdout: 'true', stderr: 'true' });
  for (const word of argv) query.append('command', word);
  const url = new URL(
    `/api/v1/namespaces/${pod.namespace}/pods/${pod.name}/exec?${query}`,
    config.server.replace(/^http/, 'ws'),
  );
  const { ca, certificate: cert, key } = config;
  const socket = new WebSocket(url, PROTOCOL, { ca, cert, key, handshakeTimeout: timeoutMs });
  const texts: Buffer[] = [];
  return await new Promise<Outcome>((resolve, reject) => {
    const timer = setTimeout(() => {
      socket.terminate();
      reject(new Error(`${argv[0]} in pod ${pod.name} has not ended after ${timeoutMs / 1000} s`));
    }, timeoutMs);
    let ending: Ending | undefined;
    socket.on('message', (data: Buffer) => {
      if (data[0] === STREAMS.error) ending = JSON.parse(data.toString('utf8', 1)) as Ending;
      else texts.push(data.subarray(1));
    });
    socket.once('unexpected-response', (_request, response) => {
      reject(new Error(`exec in pod ${pod.name}: the API answered ${response.statusCode}`));
    });
    socket.once('error', reject);
    socket.once('close', () => {
      clearTimeout(timer);
      const output = Buffer.concat(texts).toString().trim();
      if (!ending) reject(new Error(`exec in pod ${pod.name} ended without a status (${output})`));
      else resolve({ code: exitCode(ending), output });
    });
  });
}

function exitCode({ status, message, details }: Ending): number {
  if (status === 'Success') return 0;
  const cause = details?.causes?.find(({ reason }) => reason === 'ExitCode');
  if (cause?.message === undefined) throw new Error(message ?? 'exec failed');
  return Number(cause.message);
}
