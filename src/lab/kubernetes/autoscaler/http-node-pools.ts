import { request } from 'node:http';
import { live, type Node } from '../controllers/common/objects.ts';
import type { NodePool, NodePools } from './node-pools.ts';

const MOST_NODES = 5000;
const LARGEST = 4 << 20;
const TIMEOUT = 10_000;

/**
 * Node pools behind HTTP on a unix socket: `GET /pools`, `POST /pools/NAME/nodes` with `{"count": n}`, `DELETE /nodes/NAME`.
 */
export class HttpNodePools implements NodePools {
  readonly #socket: string;

  constructor(socket: string) {
    this.#socket = socket;
  }

  async list(): Promise<NodePool[]> {
    const pools: unknown = JSON.parse(await this.#call('GET', '/pools'));
    if (!Array.isArray(pools)) throw new TypeError('GET /pools: the answer is no list of pools');
    return pools.map(poolOf);
  }

  async add(pool: string, count: number): Promise<void> {
    await this.#call('POST', `/pools/${encodeURIComponent(pool)}/nodes`, { count });
  }

  async remove(node: string): Promise<void> {
    await this.#call('DELETE', `/nodes/${encodeURIComponent(node)}`);
  }

  #call(method: string, path: string, body?: object): Promise<string> {
    return new Promise((resolve, reject) => {
      const headers = body ? { 'content-type': 'application/json' } : {};
      const call = request(
        // A connection for each call: one that was kept would be stale when the other side has restarted.
        { socketPath: this.#socket, method, path, headers, timeout: TIMEOUT, agent: false },
        (response) => {
          const chunks: Buffer[] = [];
          let length = 0;
          response.on('data', (chunk: Buffer) => {
            length += chunk.length;
            if (length > LARGEST) call.destroy(new Error(`${method} ${path}: more than ${LARGEST} bytes`));
            else chunks.push(chunk);
          });
          response.on('error', reject);
          response.on('end', () => {
            const text = Buffer.concat(chunks).toString('utf8');
            const { statusCode = 0 } = response;
            if (statusCode >= 200 && statusCode < 300) resolve(text);
            else reject(new Error(`${method} ${path}: ${statusCode} ${text.slice(0, 300)}`));
          });
        },
      );
      call.on('timeout', () => call.destroy(new Error(`${method} ${path}: no answer in ${TIMEOUT} ms`)));
      call.on('error', reject);
      call.end(body && JSON.stringify(body));
    });
  }
}

// By hand: a schema library would be a tenth of the process's memory for this one answer.
function poolOf(item: unknown, index: number): NodePool {
  const { name, min, max, size, template } = (item ?? {}) as Record<string, unknown>;
  const wrong = (field: string, rule: string): TypeError =>
    new TypeError(`GET /pools: [${index}].${field} ${rule}`);
  if (typeof name !== 'string' || !name || name.length > 63)
    throw wrong('name', 'must be a text of 1 to 63 characters');
  for (const [field, value] of Object.entries({ min, max, size }))
    if (!Number.isInteger(value) || (value as number) < 0 || (value as number) > MOST_NODES)
      throw wrong(field, `must be a whole number from 0 to ${MOST_NODES}`);
  if (typeof template !== 'object' || template === null) throw wrong('template', 'must be a Node');
  return {
    name,
    min: min as number,
    max: max as number,
    size: size as number,
    template: live<Node>(template),
  };
}
