/** What went wrong, as HTTP tells it: RFC 9457, `application/problem+json`. */
import { MediaError } from 'rushes';

/** An answer that is no success. */
export class Problem extends Error {
  /** @param {number} status @param {string} code @param {string} detail @param {Record<string, string>} headers */
  constructor(status, code, detail, headers = {}) {
    super(detail);
    this.status = status;
    this.code = code;
    this.headers = headers;
  }
}

/** @typedef {{ status: number, code: string, detail: string }} ErrorDescription */

/**
 * Of `MediaError`: 415 where it is no video that could be read here, 422 where it is one with nothing in it to analyse, or damaged
 * beyond that. Codes that are not here are the machine's failures, not the client's.
 *
 * @type {Partial<Record<import('rushes').MediaErrorCode, number>>}
 */
const STATUS = {
  ERR_INVALID_DATA: 415,
  ERR_UNSUPPORTED: 415,
  ERR_EMPTY: 422,
  ERR_NO_VIDEO: 422,
  ERR_ENCRYPTED: 422,
  ERR_TRUNCATED: 422,
  ERR_DECODE: 422,
  ERR_TIMEOUT: 422,
};

/**
 * @param {unknown} error
 * @param {import('./jobs.mjs').Job} [job] whose file it is
 * @returns {ErrorDescription}
 */
export function describeError(error, job) {
  if (error instanceof MediaError) {
    const detail = job?.withClientName(error.message) ?? error.message;
    return { status: STATUS[error.code] ?? 500, code: error.code, detail };
  }
  if (error instanceof Problem) {
    const { status, code, message } = error;
    return { status, code, detail: message };
  }
  const { statusCode, code, message } = /** @type {import('fastify').FastifyError} */ (
    error
  );
  // Fastify and its plugins say which of their errors are the client's.
  if (statusCode !== undefined && statusCode < 500) {
    return { status: statusCode, code, detail: message };
  }
  if (isTimeout(error)) {
    return { status: 422, code: 'ERR_TIMEOUT', detail: 'the file took too long to open' };
  }
  if (code === 'ENOSPC') return { status: 507, code, detail: 'the disk is full' };
  return { status: 500, code: 'INTERNAL', detail: 'something went wrong here' };
}

/** Whether a signal of `AbortSignal.timeout` ended it. @param {unknown} error */
function isTimeout(error) {
  return error instanceof DOMException && error.name === 'TimeoutError';
}
