// The program: arguments, settings, signals, listening, exit. Only this file deals with them.
//
// Exit codes: 0 after a clean stop, 1 when it failed or was cut short, 2 for a wrong argument.
import { parseArgs } from 'node:util';
import { formatReason, TroupeError } from 'troupe';
import { type App, createApp } from './app.ts';
import { ConfigError, loadConfig, type Config } from './config.ts';
import { LogOutput } from './log-output.ts';
import { terminalLog } from './terminal.ts';

const USAGE = `Usage: node dist/app/main.js

Serves the notes application. All settings come from the environment; .env.example lists them.

  -h, --help   shows this`;

/** What a failure to listen means and what to do about it, by the code of Node.js. */
const LISTEN_FAILURES: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another program listens there: stop it, or set PORT',
  EACCES: 'this user may not use that port: set PORT to one from 1024 on',
  EADDRNOTAVAIL: 'this machine does not have that address: set HOST',
  ENOTFOUND: 'there is no host with that name: set HOST',
  EAI_AGAIN: 'the name could not be looked up: set HOST to an address',
};

/** Files and sockets that the program makes are for its user only, whatever umask the shell has. */
const PRIVATE_UMASK = 0o077;

async function main(): Promise<void> {
  process.umask(PRIVATE_UMASK);
  if (!argumentsAreFine()) return;
  const config = settings();
  if (config === undefined) return;

  const terminal = await terminalLog(process.stdout);
  const starting = createApp(config, terminal ?? { logger: { stream: standardOutput() } });
  const stop = stopper(starting, config.shutdownTimeoutMs);
  const isStopping = stopOnSignals(starting, stop);
  let app: App;
  try {
    app = await starting;
  } catch (error) {
    exit(messageOf(error));
  }
  if (isStopping()) return;
  void app.failed.then((reason) => {
    app.log.fatal(`the supervision tree has ended: ${formatReason(reason)}`);
    stop(1);
  });
  try {
    await app.http.listen({ host: config.host, port: config.port, ...terminal?.listen });
  } catch (error) {
    if (isStopping()) return;
    process.stderr.write(`cannot listen on ${config.host} port ${config.port}: ${listenFailure(error)}\n`);
    stop(1);
    return;
  }
  if (typeof config.metrics !== 'object' || app.metrics === undefined) return;
  const { host, port } = config.metrics;
  try {
    const listenTextResolver = (address: string): string => `the metrics are at ${address}/metrics`;
    await app.metrics.listen({ host, port, ...(terminal && { listenTextResolver }) });
  } catch (error) {
    if (isStopping()) return;
    const why = listenFailure(error).replace(/\bset (HOST|PORT)\b/, 'set METRICS_$1');
    process.stderr.write(`cannot serve metrics on ${host} port ${port}: ${why}\n`);
    stop(1);
  }
}

/** Where the log goes when no terminal shows it. */
function standardOutput(): LogOutput {
  const output = new LogOutput(process.stdout.fd);
  process.on('exit', () => output.flush());
  return output;
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

function settings(): Config | undefined {
  try {
    return loadConfig(process.env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
    return undefined;
  }
}

/** Returns what ends the process with a code, in a bounded time, whatever clients and databases do; only its first call counts. */
function stopper(starting: Promise<App>, timeoutMs: number): (code: number) => void {
  let stopped = false;
  return (code) => {
    if (stopped) return;
    stopped = true;
    setTimeout(() => exit(`not stopped after ${timeoutMs} ms; ending all the same`), timeoutMs).unref();
    starting
      .then((app) => app.stop())
      .then(
        () => process.exit(code),
        (error: unknown) => exit(messageOf(error)),
      );
  };
}

/** A second signal ends the process at once. @returns whether there was one. */
function stopOnSignals(starting: Promise<App>, stop: (code: number) => void): () => boolean {
  let signals = 0;
  let say = (line: string): void => void process.stderr.write(`${line}\n`);
  starting.then(
    ({ log }) => (say = (line) => log.info(line)),
    () => undefined,
  );
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    process.on(signal, () => {
      signals++;
      if (signals > 1) exit(`${signal}: ending at once`);
      say(`${signal}: stopping`);
      stop(0);
    });
  }
  return () => signals > 0;
}

function exit(message: string): never {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

function listenFailure(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return LISTEN_FAILURES[code] ?? messageOf(error);
}

/** What a person needs to know: the message of an error; for a failed start, that of its cause. */
function messageOf(error: unknown): string {
  if (error instanceof AggregateError) return [error.message, ...error.errors.map(messageOf)].join(': ');
  if (!(error instanceof Error)) return String(error);
  const cause = error instanceof TroupeError ? innermost(error.reason) : undefined;
  return cause instanceof Error ? messageOf(cause) : error.message;
}

/** The bottom of an exit reason such as `{shutdown, {failed_to_start_child, Id, Reason}}`. */
function innermost(reason: unknown): unknown {
  return Array.isArray(reason) ? innermost(reason.at(-1)) : reason;
}

await main();
