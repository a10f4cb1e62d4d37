// The page in a real browser behind a reverse proxy that gives the service a path of its own, https://host/notes/ as it were,
// and takes that path off what it passes on, as nginx and Caddy do. A page that asks beside that path fails the test.
import { createServer, request as askHttp, type IncomingMessage, type Server } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { type Program, startProgram } from '../app/support/program.ts';
import { live, noteNamed } from '../support/page.ts';
import { requirePart } from '../support/parts.ts';
import { stage } from './setup.ts';

// Starts a browser and a process, and the machine may be busy.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 300_000 });

const PREFIX = '/notes';

describe.skipIf(requirePart('chromium').missing)('the page below a path of a proxy', () => {
  const set = stage();
  let program: Program | undefined;
  let proxy: Server | undefined;

  afterEach(async () => {
    proxy?.closeAllConnections();
    proxy?.close();
    program?.signal('SIGTERM');
    await program?.ended;
  });

  test('reads, writes and is live there, and asks for nothing beside it', async () => {
    program = startProgram({ env: { DATA_DIR: set().folders.make() } });
    const beside: string[] = [];
    proxy = stripping(await program.port, beside);
    await new Promise<void>((resolve) => proxy?.listen(0, '127.0.0.1', resolve));
    const origin = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;

    const context = await set().browser.newContext();
    context.setDefaultTimeout(60_000);
    const errors: string[] = [];
    context.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') errors.push(message.text());
    });
    const [page, other] = [await context.newPage(), await context.newPage()];
    for (const each of [page, other]) {
      await each.goto(`${origin}${PREFIX}/`);
      await live(each);
    }
    await page.getByLabel('Title').fill('Bread');
    await page.getByLabel('Text').fill('flour');
    await page.getByLabel('Your name').fill('Ada');
    await page.getByRole('button', { name: 'Add note' }).click();
    await noteNamed(other, 'Bread').waitFor();
    await other.getByRole('searchbox').fill('flour');
    await other.getByTestId('count').filter({ hasText: '1 note found' }).waitFor();
    await noteNamed(page, 'Bread').getByRole('link', { name: 'Bread' }).click();
    await page.getByTestId('changes').filter({ hasText: 'Ada wrote it' }).waitFor();
    expect(page.url()).toMatch(new RegExp(`^${origin}${PREFIX}/#/notes/\\d+$`));
    await page.reload();
    await page.getByTestId('changes').waitFor();
    await page.getByTestId('back').click();
    await other.getByRole('button', { name: 'Delete “Bread”' }).click();
    await other.getByTestId('confirm-delete').click();
    await page.getByTestId('empty').waitFor();
    const icon = await page.evaluate<string>(`document.querySelector('link[rel=icon]').href`);
    expect(icon).toMatch(new RegExp(`^${origin}${PREFIX}/`));
    expect((await page.request.get(icon)).status()).toBe(200);
    await context.close();
    expect(beside).toEqual([]);
    expect(errors).toEqual([]);
  });
});

/** A proxy that passes on what is below PREFIX, without it, requests and upgrades; the rest it notes and answers with 404. */
function stripping(port: number, beside: string[]): Server {
  const stripped = ({ url = '' }: IncomingMessage): string | null => {
    if (url.startsWith(`${PREFIX}/`)) return url.slice(PREFIX.length);
    beside.push(url);
    return null;
  };
  const server = createServer((incoming, outgoing) => {
    const path = stripped(incoming);
    if (path === null) {
      outgoing.writeHead(404).end();
      return;
    }
    const { method, headers } = incoming;
    const passed = askHttp({ host: '127.0.0.1', port, path, method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    });
    passed.on('error', () => outgoing.destroy());
    incoming.pipe(passed);
  });
  server.on('upgrade', (incoming, socket, head) => {
    const path = stripped(incoming);
    if (path === null) {
      socket.end('HTTP/1.1 404 Not Found\r\n\r\n');
      return;
    }
    const passed = connect(port, '127.0.0.1', () => {
      const lines = incoming.rawHeaders.flatMap((name, index, all) =>
        index % 2 === 0 ? [`${name}: ${all[index + 1]}`] : [],
      );
      passed.write(`${incoming.method} ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`);
      passed.write(head);
      passed.pipe(socket).pipe(passed);
    });
    for (const [end, otherEnd] of [
      [passed, socket],
      [socket, passed],
    ] as const) {
      end.on('error', () => otherEnd.destroy());
      end.on('close', () => otherEnd.destroy());
    }
  });
  return server;
}
