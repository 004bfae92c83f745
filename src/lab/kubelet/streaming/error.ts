/** A refusal of the kubelet's server: HTTP status and a text, which the API server passes on. Texts as upstream's kubelet. */
export class StreamingError extends Error {
  override readonly name = 'StreamingError';
  readonly status: number;

  constructor(status: number, message: string, cause?: unknown) {
    super(message, { cause });
    this.status = status;
  }
}

/** Whatever was thrown, as status and text. */
export function asStreamingError(error: unknown): StreamingError {
  if (error instanceof StreamingError) return error;
  return new StreamingError(500, error instanceof Error ? error.message : String(error), error);
}
