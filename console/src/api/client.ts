import createClient, { type Middleware } from "openapi-fetch";

import type { components, paths } from "./schema";

export type Schema = components["schemas"];

/** What the server says of a request it did not fulfil (RFC 9457), or that it could not be reached at all. */
export class Problem extends Error {
  readonly status: number;
  readonly code: string;
  readonly fields: Readonly<Record<string, unknown>>;

  constructor(status: number, code: string, detail: string, fields: Readonly<Record<string, unknown>> = {}) {
    super(detail);
    this.name = "Problem";
    this.status = status;
    this.code = code;
    this.fields = fields;
  }
}

export const UNREACHABLE = "unreachable";

const SAFE = new Set(["GET", "HEAD", "OPTIONS"]);
const CSRF_HEADER = "X-CSRF-Token";

let csrfToken: string | null = null;
let onSessionEnd: (() => void) | null = null;

/** The token that goes with every unsafe request of this log-in; null after log-out. */
export function setCsrfToken(token: string | null): void {
  csrfToken = token;
}

/** What happens when the server no longer knows this log-in. */
export function whenSessionEnds(handler: (() => void) | null): void {
  onSessionEnd = handler;
}

const session: Middleware = {
  onRequest({ request }) {
    if (csrfToken !== null && !SAFE.has(request.method)) request.headers.set(CSRF_HEADER, csrfToken);
    return request;
  },
  onResponse({ response, schemaPath }) {
    if (response.status === 401 && schemaPath !== "/api/auth/login" && schemaPath !== "/api/auth/me") onSessionEnd?.();
    return response;
  },
};

export const api = createClient<paths>({ baseUrl: window.location.origin });
api.use(session);

interface Answer<Data> {
  data?: Data;
  error?: unknown;
  response: Response;
}

/** The body of a good answer; throws a Problem for everything else. */
export async function unwrap<Data>(asked: Promise<Answer<Data>>): Promise<NonNullable<Data>> {
  let answer: Answer<Data>;
  try {
    answer = await asked;
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Problem(0, UNREACHABLE, "The server cannot be reached. Check the connection; nothing was lost.");
  }
  if (answer.response.ok) return answer.data as NonNullable<Data>;
  throw problemOf(answer.response.status, answer.error);
}

/** Turns the body of an error into a Problem; also for requests that are made without the client, such as uploads. */
export function problemOf(status: number, body: unknown): Problem {
  if (typeof body === "object" && body !== null && "detail" in body && "code" in body) {
    const fields = body as Record<string, unknown>;
    return new Problem(status, String(fields.code), String(fields.detail), fields);
  }
  return new Problem(status, "http_error", `The server answered ${status}.`);
}

/** One key for one intention: the same press sent twice, or tried again after a lost answer, counts once. */
export function newIdempotencyKey(): string {
  return crypto.randomUUID();
}
