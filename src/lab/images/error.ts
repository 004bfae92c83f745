/** A failure to build or hand over an image: what was attempted, on which image or package, why, and a way out. */
export class ImageError extends Error {
  override readonly name = 'ImageError';
  /** What was attempted: `resolve`, `download`, `read`, `import`. */
  readonly operation: string;
  /** The image, the packages or the file. */
  readonly object: string;

  constructor(operation: string, object: string, detail: string, cause?: unknown) {
    super(`${operation} ${object}: ${detail}`, cause === undefined ? {} : { cause });
    this.operation = operation;
    this.object = object;
  }
}
