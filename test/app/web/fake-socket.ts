// A WebSocket that a test opens, answers and drops by hand.
import type { Socket } from '../../../src/app/web/connection.ts';

export class FakeSocket implements Socket {
  onopen: (() => void) | null = null;
  onclose: (() => void) | null = null;
  onerror: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  readonly sent: string[] = [];
  /** It answers pings by itself, a moment later. */
  answers = false;
  /** The page has closed it. */
  closed = false;

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
    this.onclose?.();
  }
}
