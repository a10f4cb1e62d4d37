// Helpers that send messages, call servers and look at what came.
import { call, cast } from '../../index.ts';
import { Fault } from '../fault.ts';
import { INBOX_MAX } from '../inbox.ts';
import { destinationOf, type Helpers, type Shell } from '../shell.ts';
import { present, showLine } from '../show.ts';

/** The helpers of this file. */
export function messageHelpers(shell: Shell): Helpers {
  const { node, self, inbox } = shell;
  return {
    send: {
      usage: "send('name', message)",
      about: 'sends a message to a pid or a registered name',
      run: (...args: unknown[]) => {
        if (args.length < 2) throw new Fault('send(to, message) needs both');
        self.send(destinationOf(node, args[0]), args[1]);
        return args[1];
      },
    },
    call: {
      usage: "call('server', 'name', argument, {timeoutMs: 5000})",
      about: 'calls a server and waits for its answer',
      run: async (to: unknown, name: unknown, argument?: unknown, options: { timeoutMs?: number } = {}) => {
        const target = destinationOf(node, to);
        return await call(node, target, callName(name), argument, {
          ...options,
          from: self,
          signal: shell.signal(),
        });
      },
    },
    cast: {
      usage: "cast('server', 'name', argument)",
      about: 'sends a server a request that is not answered',
      run: (to: unknown, name: unknown, argument?: unknown) => {
        cast(node, destinationOf(node, to), callName(name), argument, self);
        return 'ok';
      },
    },
    receive: {
      usage: 'receive((message) => true, {after: 1000})',
      about: 'takes the first message that matches, waiting for it; undefined when the time is over',
      run: (match: (message: unknown) => boolean = () => true, { after }: { after?: number } = {}) => {
        if (typeof match !== 'function')
          throw new Fault('receive(match) needs a function that says yes or no');
        return inbox.receive(match, after, shell.signal());
      },
    },
    flush: {
      usage: 'flush()',
      about: `takes all messages that this REPL has received; the last ${INBOX_MAX} are kept`,
      run: () => {
        const { dropped } = inbox;
        const messages = inbox.flush();
        return present(messages, ({ colour }) => {
          const lines = messages.map((message) => showLine(message, { colour }));
          if (dropped > 0) lines.unshift(`(${dropped} older messages were not kept)`);
          return lines.length === 0 ? 'no messages' : lines.join('\n');
        });
      },
    },
  };
}

function callName(name: unknown): string {
  if (typeof name === 'string') return name;
  throw new Fault("the name of a call is a text: call('server', 'name', argument)");
}
