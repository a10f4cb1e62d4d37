// The program: arguments, settings, signals, listening, and how it ends. The only file that has any of these.
//
// Exit codes: 0 after a clean stop, 1 when it failed or had to be cut short, 2 for a wrong argument.
import { parseArgs } from 'node:util';
import { type App, createApp } from './app.ts';
import { ConfigError, loadConfig, type Config } from './config.ts';

const USAGE = `Usage: node dist/app/main.js

Serves the notes application. All settings come from the environment; .env.example lists them.

  -h, --help   shows this`;

async function main(): Promise<void> {
  if (!argumentsAreFine()) return;
  let config: Config;
  try {
    config = loadConfig(process.env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    fail(error.message);
    return;
  }
  let app: App;
  try {
    app = await createApp(config);
  } catch (error) {
    fail(messageOf(error));
    return;
  }
  stopOnSignals(app, config.shutdownTimeoutMs);
  void app.failed.then((reason) => {
    app.log.fatal({ err: reason }, 'the supervision tree has ended');
    shutDown(app, config.shutdownTimeoutMs, 1);
  });
  try {
    await app.http.listen({ host: config.host, port: config.port });
  } catch (error) {
    fail(`cannot listen on ${config.host} port ${config.port}: ${messageOf(error)}`);
    await app.stop();
  }
}

function argumentsAreFine(): boolean {
  try {
    const { values } = parseArgs({ options: { help: { type: 'boolean', short: 'h' } } });
    if (values.help !== true) return true;
    process.stdout.write(`${USAGE}\n`);
  } catch (error) {
    process.stderr.write(`${messageOf(error)}\n${USAGE}\n`);
    process.exitCode = 2;
  }
  return false;
}

function stopOnSignals(app: App, timeoutMs: number): void {
  let signals = 0;
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      app.log.info(`${signal}: stopping`);
      if (++signals > 1) process.exit(1);
      shutDown(app, timeoutMs, 0);
    });
  }
}

/** Ends the process in a bounded time, whatever clients and databases do. */
function shutDown(app: App, timeoutMs: number, code: number): void {
  setTimeout(() => {
    app.log.error(`not stopped after ${timeoutMs} ms; ending all the same`);
    process.exit(1);
  }, timeoutMs).unref();
  app.stop().then(
    () => process.exit(code),
    (error: unknown) => {
      app.log.error({ err: error }, 'the stop failed');
      process.exit(1);
    },
  );
}

function fail(message: string): void {
  process.stderr.write(`${message}\n`);
  process.exitCode = 1;
}

/** What a person needs to know: the message of an error, and of the failure behind it when it is a failed start. */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? messageOf(error.cause) : error.message;
}

await main();
