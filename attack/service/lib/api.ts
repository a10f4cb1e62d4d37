// The notes service as any client can use it, for attacks: every answer is read, and its status is what matters.
import { setTimeout as pause } from 'node:timers/promises';
import type { Service } from './service.ts';

const LIMIT_MS = 60_000;
/** A service that asks for patience gets it, so many times. */
const TRIES_MAX = 20;
const AGAIN_MS = 500;

export interface Text {
  readonly title: string;
  readonly body: string;
  readonly author: string;
}

/** Sends a request and reads the answer; 0 when there is none. */
export async function ask(
  { base }: Service,
  method: string,
  path: string,
  body?: unknown,
): Promise<{ status: number; json: unknown }> {
  const init: RequestInit = { method, signal: AbortSignal.timeout(LIMIT_MS) };
  if (body !== undefined) {
    init.headers = { 'content-type': 'application/json' };
    init.body = JSON.stringify(body);
  }
  try {
    const answer = await fetch(base + path, init);
    const text = await answer.text();
    return { status: answer.status, json: text === '' ? undefined : JSON.parse(text) };
  } catch {
    return { status: 0, json: undefined };
  }
}

/** Makes a note, again when the service is busy. @returns its id; undefined when it was refused */
export async function make(service: Service, text: Text): Promise<number | undefined> {
  for (let attempt = 0; attempt < TRIES_MAX && service.ended === undefined; attempt++) {
    const { status, json } = await ask(service, 'POST', '/api/notes', text);
    if (status === 201) return (json as { id: number }).id;
    if (status !== 503 && status !== 0) return undefined;
    await pause(AGAIN_MS);
  }
  return undefined;
}

/** Calls `work` for each item, `width` at a time. */
export async function inParallel<T>(
  items: readonly T[],
  width: number,
  work: (item: T, index: number) => Promise<unknown>,
): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let index = next++; index < items.length; index = next++) await work(items[index] as T, index);
  };
  await Promise.all(Array.from({ length: width }, lane));
}
