// Which Origins are let in.
import { originAllowed } from 'troupe/fastify';
import { expect, test } from 'vitest';

function allowed(origin: string | undefined, host: string, origins?: readonly string[]): boolean {
  return originAllowed({ headers: origin === undefined ? {} : { origin }, host }, origins);
}

test.each<[string | undefined, string]>([
  [undefined, 'notes.example'],
  ['https://notes.example', 'notes.example'],
  ['http://notes.example', 'notes.example'],
  ['http://notes.example', 'notes.example:80'],
  ['https://notes.example', 'notes.example:443'],
  ['https://notes.example:443', 'notes.example'],
  ['http://127.0.0.1:8080', '127.0.0.1:8080'],
  ['http://[::1]:8080', '[::1]:8080'],
  ['https://NOTES.example', 'notes.EXAMPLE'],
])('%s may open a WebSocket to %s', (origin, host) => {
  expect(allowed(origin, host)).toBe(true);
});

test.each<[string, string]>([
  ['https://evil.example', 'notes.example'],
  ['https://notes.example.evil.example', 'notes.example'],
  ['https://evilnotes.example', 'notes.example'],
  ['http://notes.example:8081', 'notes.example:8080'],
  ['http://notes.example', 'notes.example:8080'],
  ['http://localhost:8080', '127.0.0.1:8080'],
  ['null', 'notes.example'],
  ['null', 'null'],
  ['', 'notes.example'],
  ['notes.example', 'notes.example'],
  ['file://', ''],
  ['file:///x', 'x'],
  ['https://notes.example', ''],
  ['https://notes.example', 'not a host'],
  ['https://notes.example, https://evil.example', 'notes.example'],
])('%s may not open a WebSocket to %s', (origin, host) => {
  expect(allowed(origin, host)).toBe(false);
});

test('further origins are let in as they are written, scheme and port included', () => {
  const origins = ['https://app.example', 'http://localhost:5173'];
  expect(allowed('https://app.example', 'notes.example', origins)).toBe(true);
  expect(allowed('http://localhost:5173', 'notes.example', origins)).toBe(true);
  expect(allowed('http://app.example', 'notes.example', origins)).toBe(false);
  expect(allowed('http://localhost', 'notes.example', origins)).toBe(false);
});
