/** A refusal or failure around a lab node's machine: what was attempted, on which machine, why, and a way out. */
export class MachineError extends Error {
  override readonly name = 'MachineError';
  /** What was attempted, as a verb: `start`, `stop`, `start service`. */
  readonly operation: string;
  /** The machine, or the machine and the service: `n1`, `n1/containerd`. */
  readonly object: string;

  constructor(operation: string, object: string, detail: string, cause?: unknown) {
    super(`${operation} ${object}: ${detail}`, cause === undefined ? {} : { cause });
    this.operation = operation;
    this.object = object;
  }
}
