import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What one of the pages says: a status and a text. */
export type Page = () => { readonly status: number; readonly text: string };

/** One page on a port of its own, as CoreDNS serves `/health`, `/ready` and `/metrics`. */
export class PageServer {
  readonly port: number;
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
  }

  /** @throws Error when the address cannot be taken */
  static async listen(host: string, port: number, path: string, page: Page): Promise<PageServer> {
    const options = { requestTimeout: 10_000, headersTimeout: 5000, keepAliveTimeout: 30_000 };
    const server = createServer(options, (request, response) => {
      const { status, text } =
        request.method !== 'GET' && request.method !== 'HEAD'
          ? { status: 405, text: 'only GET\n' }
          : request.url?.split('?', 1)[0] === path
            ? page()
            : { status: 404, text: `there is ${path}\n` };
      response.writeHead(status, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' });
      response.end(request.method === 'HEAD' ? undefined : text);
    });
    server.maxConnections = 64;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, host, resolve);
    });
    return new PageServer(server);
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}
