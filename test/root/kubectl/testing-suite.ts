import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe } from 'vitest';
import type { Outcome } from '../lab/cli.ts';
import { findKubectl, Kubectl, type Run } from '../lab/kubectl.ts';
import { ApiServer } from './testing-apiserver.ts';

/** kubectl against an API server of the suite. */
export class Suite {
  server!: ApiServer;
  readonly program: string;

  constructor(program: string) {
    this.program = program;
  }

  /** What stands in a user's home: kubectl caches what a server serves, and servers of tests share addresses. */
  private get env(): Record<string, string> {
    return { HOME: this.server.folder, KUBECACHEDIR: join(this.server.folder, 'cache') };
  }

  async run(
    command: string | readonly string[],
    options: Run & { kubeconfig?: string; program?: string } = {},
  ): Promise<Outcome> {
    const { kubeconfig = this.server.kubeconfig, program = this.program, ...rest } = options;
    const argv = typeof command === 'string' ? command.split(' ') : command;
    return await new Kubectl(program, kubeconfig).run(argv, { ...rest, env: { ...this.env, ...rest.env } });
  }

  /** The output of a command that must succeed. The command is split at spaces. */
  async ok(
    command: string | readonly string[],
    stdin = '',
    options: Run & { program?: string } = {},
  ): Promise<string> {
    const { code, stdout, stderr } = await this.run(command, { ...options, stdin });
    if (code !== 0) throw new Error(`kubectl ${String(command)} ended with ${code}: ${stderr}${stdout}`);
    return stdout;
  }

  /** What a command that must fail says. */
  async refused(
    command: string | readonly string[],
    stdin = '',
    options: Run & { kubeconfig?: string } = {},
  ): Promise<string> {
    const { code, stdout, stderr } = await this.run(command, { ...options, stdin });
    if (code === 0) throw new Error(`kubectl ${String(command)} succeeded: ${stdout}`);
    return stderr.trim();
  }

  start(command: string) {
    return new Kubectl(this.program, this.server.kubeconfig).start(command.split(' '), { env: this.env });
  }

  /** Applies YAML. */
  async apply(yaml: string): Promise<string> {
    return await this.ok('apply -f -', yaml);
  }

  async json<T>(command: string): Promise<T> {
    return JSON.parse(await this.ok(`${command} -o json`)) as T;
  }

  /** A file below the suite's folder. */
  file(name: string, content: string): string {
    const path = join(this.server.folder, name);
    mkdirSync(join(path, '..'), { recursive: true });
    writeFileSync(path, content, { mode: 0o755 });
    return path;
  }
}

/** A group of tests with an API server of their own; skipped, and said so, where there is no kubectl. */
export function withKubectl(name: string, body: (suite: Suite) => void): void {
  const program = findKubectl();
  if (!program) {
    console.warn(
      `${name}: skipped, as no kubectl 1.30 or newer is here; install one, or name it in FLYOVER_KUBECTL`,
    );
    describe.skip(name, () => body(new Suite('')));
    return;
  }
  describe(name, () => {
    const suite = new Suite(program);
    beforeAll(async () => {
      suite.server = await ApiServer.start();
    });
    afterAll(async () => {
      await suite.server?.stop();
    });
    body(suite);
  });
}

export const NGINX = `apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  labels: {app: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: nginx
        image: nginx:1.25
        ports: [{containerPort: 80}]
`;
