// A WebSocket that a test opens, answers and drops by hand.
import type { ClientSocket } from 'troupe/client';

export class FakeSocket implements ClientSocket {
  onopen: (() => void) | null = null;
  onclose: ((event: { reason?: string }) => void) | null = null;
  onerror: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  readonly sent: string[] = [];
  /** What the page asked for with `?since=`. */
  readonly since: string;
  /** It answers pings by itself, a moment later. */
  answers = false;
  /** The page has closed it. */
  closed = false;

  constructor(url: string) {
    this.since = new URL(url).searchParams.get('since') ?? 'none';
  }

  send(data: string): void {
    this.sent.push(data);
    if (this.answers && data === 'ping') queueMicrotask(() => this.receive('pong'));
  }

  close(): void {
    this.closed = true;
  }

  open(): void {
    this.onopen?.();
  }

  receive(data: unknown): void {
    this.onmessage?.({ data });
  }

  drop(): void {
    this.onerror?.();
    this.onclose?.({});
  }
}
