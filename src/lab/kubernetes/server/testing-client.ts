import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { Agent, request as httpsRequest } from 'node:https';
import type { KubeObject } from '../schema/types.ts';
import type { TestApiServer } from './testing.ts';

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
  /** The body, parsed; tests know what is in it. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every kind
  body: any;
}

/** One event of a watch. */
export interface Event {
  type: string;
  // biome-ignore lint/suspicious/noExplicitAny: as above
  object: any;
}

/** Bare HTTPS against a server of a test, as `admin`: for what clients hide. */
export class TestClient {
  readonly #server: Pick<TestApiServer, 'url' | 'credentials'>;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 64 });

  constructor(server: Pick<TestApiServer, 'url' | 'credentials'>) {
    this.#server = server;
  }

  #open(
    method: string,
    path: string,
    body: string | Buffer | undefined,
    headers: Record<string, string>,
  ): Promise<IncomingMessage> {
    const { url, credentials } = this.#server;
    return new Promise((resolve, reject) => {
      const request = httpsRequest(
        `${url}${path}`,
        { method, headers, agent: this.#agent, ...credentials },
        resolve,
      );
      request.on('error', reject);
      request.end(body);
    });
  }

  async send(
    method: string,
    path: string,
    body?: string | Buffer | object,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const sent =
      body === undefined || typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
    const type = {
      // Node does not say the length of a DELETE's body by itself.
      ...(sent !== undefined && {
        'content-type': 'application/json',
        'content-length': `${Buffer.byteLength(sent)}`,
      }),
      ...headers,
    };
    const response = await this.#open(method, path, sent, type);
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString('utf8');
    let parsed: unknown;
    try {
      parsed = JSON.parse(text);
    } catch {
      // Not JSON; the test looks at the text.
    }
    return { status: response.statusCode ?? 0, headers: response.headers, text, body: parsed };
  }

  get(path: string, headers?: Record<string, string>): Promise<Answer> {
    return this.send('GET', path, undefined, headers);
  }

  post(path: string, body: object): Promise<Answer> {
    return this.send('POST', path, body);
  }

  put(path: string, body: object): Promise<Answer> {
    return this.send('PUT', path, body);
  }

  patch(path: string, body: object, type = 'merge-patch'): Promise<Answer> {
    return this.send('PATCH', path, body, { 'content-type': `application/${type}+json` });
  }

  delete(path: string, body?: object): Promise<Answer> {
    return this.send('DELETE', path, body);
  }

  /** Opens a watch; `next` waits for the next event and throws when there is none any more. */
  async watch(path: string, headers: Record<string, string> = {}): Promise<TestWatch> {
    const mark = path.includes('?') ? '&' : '?';
    return new TestWatch(await this.#open('GET', `${path}${mark}watch=true`, undefined, headers));
  }

  close(): void {
    this.#agent.destroy();
  }
}

export class TestWatch {
  readonly response: IncomingMessage;
  readonly #events: AsyncGenerator<Event, void, undefined>;

  constructor(response: IncomingMessage) {
    this.response = response;
    this.#events = this.#read();
  }

  async *#read(): AsyncGenerator<Event, void, undefined> {
    let rest = '';
    for await (const chunk of this.response) {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) yield JSON.parse(line) as Event;
    }
  }

  async next(): Promise<Event> {
    const { value, done } = await this.#events.next();
    if (done || !value) throw new Error('the watch has ended');
    return value;
  }

  /** The next events as `TYPE name`, short enough to compare. */
  async told(count: number): Promise<string[]> {
    const told: string[] = [];
    while (told.length < count) {
      const { type, object } = await this.next();
      told.push(`${type} ${(object as KubeObject).metadata?.name ?? object.reason ?? ''}`.trim());
    }
    return told;
  }

  close(): void {
    this.response.destroy();
  }
}
