import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { TestNetwork } from '../testing.ts';

export interface HostCommand {
  readonly what: 'listen' | 'tcp' | 'udp' | 'hold' | 'say';
  readonly address?: string;
  readonly port?: number;
  /** UDP: the port to ask from. */
  readonly from?: number;
  /** Of a connection that is held. */
  readonly id?: string;
  readonly text?: string;
  readonly milliseconds: number;
}

const PATIENT_MS = 60_000;
/** As long as nothing is waited for that should not come. */
const SHORT_MS = 1500;

/** A process in a namespace that serves and asks. Servers answer with their name and the address they see. */
export class TestHost {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (answer: string) => void>();
  #number = 0;

  constructor(net: TestNetwork, ns: string) {
    const program = join(import.meta.dirname, 'testing-host-program.ts');
    this.#child = net.spawn(ns, [process.execPath, program, ns]);
    this.#child.stderr!.pipe(process.stderr);
    createInterface(this.#child.stdout!).on('line', (line) => {
      const { number, answer } = JSON.parse(line) as { number: number; answer: string };
      this.#waiting.get(number)?.(answer);
      this.#waiting.delete(number);
    });
  }

  /** Answers on TCP and UDP. */
  listen(port: number): Promise<string> {
    return this.#run({ what: 'listen', port, milliseconds: PATIENT_MS });
  }

  /** `NAME SEEN-ADDRESS`, or an error's code such as ECONNREFUSED. */
  tcp(address: string, port: number): Promise<string> {
    return this.#run({ what: 'tcp', address, port, milliseconds: PATIENT_MS });
  }

  udp(address: string, port: number, from = 0): Promise<string> {
    return this.#run({ what: 'udp', address, port, from, milliseconds: PATIENT_MS });
  }

  /** For what is dropped: `timeout` soon. */
  silent(what: 'tcp' | 'udp', address: string, port: number): Promise<string> {
    return this.#run({ what, address, port, milliseconds: SHORT_MS });
  }

  /** A connection that stays. */
  hold(id: string, address: string, port: number): Promise<string> {
    return this.#run({ what: 'hold', id, address, port, milliseconds: PATIENT_MS });
  }

  /** What comes back over a connection that was held: the same, when it lives. */
  say(id: string, text: string): Promise<string> {
    return this.#run({ what: 'say', id, text, milliseconds: PATIENT_MS });
  }

  #run(command: HostCommand): Promise<string> {
    const number = this.#number++;
    return new Promise((resolve) => {
      this.#waiting.set(number, resolve);
      this.#child.stdin!.write(`${JSON.stringify({ number, ...command })}\n`);
    });
  }
}
