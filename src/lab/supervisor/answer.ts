import type { FastifyReply } from 'fastify';
import type { Logger } from 'pino';
import { isAddressError } from '../../address/error.ts';
import { LabError, type Refusal } from '../errors.ts';
import type { Report } from './context.ts';

/** What a door says when it refuses, or when something went wrong. */
export interface ErrorBody {
  error: Refusal & { message: string };
}

/** The code of what is no refusal: the work was begun and failed. */
export const INTERNAL_ERROR = 'InternalError';

/** One line of a long answer: progress, then exactly one result or error. */
export type StreamLine = { progress: string } | { result: unknown } | ErrorBody;

/** Answers line by line. A client that goes away does not stop the work: it was accepted. */
export async function stream(
  log: Logger,
  reply: FastifyReply,
  work: (report: Report) => Promise<unknown>,
): Promise<FastifyReply> {
  reply.hijack();
  const { raw } = reply;
  raw.writeHead(200, { 'content-type': 'application/x-ndjson' });
  const write = (line: StreamLine): void => {
    if (!raw.destroyed) raw.write(`${JSON.stringify(line)}\n`);
  };
  try {
    const result = await work((progress) => {
      log.info(progress);
      write({ progress });
    });
    write({ result: result ?? 'done' });
  } catch (error) {
    log.error({ err: error }, 'operation failed');
    write(describe(error).body);
  }
  raw.end();
  return reply;
}

/** The status and body for an error; what is not a refusal shows its message and nothing of its inside. */
export function describe(error: unknown): { status: number; body: ErrorBody } {
  if (error instanceof LabError) {
    return {
      status: error.refusal.status ?? 400,
      body: { error: { ...error.refusal, message: error.message } },
    };
  }
  if (isAddressError(error)) {
    const { code, field, value, rule, fix, message } = error;
    return {
      status: code === 'exhausted' ? 409 : 400,
      body: { error: { code, field, value, rule, fix, message } },
    };
  }
  const message = error instanceof Error ? error.message : String(error);
  const status = (error as { statusCode?: unknown } | undefined)?.statusCode;
  if (typeof status === 'number' && status >= 400 && status < 500) {
    // It may quote the whole request.
    const rule = message.slice(0, 300);
    return { status, body: { error: { code: 'BadRequest', rule, message: rule } } };
  }
  return { status: 500, body: { error: { code: INTERNAL_ERROR, rule: message, message } } };
}
