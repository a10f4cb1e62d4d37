// Bounds the length of a line of the log, whatever their origin: texts are cut, those of errors included.
import type { PinoLoggerOptions } from 'fastify/types/logger.js';

/** Characters of one text in a line. */
const TEXT_SHOWN_MAX = 2_000;
/** Characters of the stack of an error, which includes its message. */
const STACK_SHOWN_MAX = 8_000;

/** How many causes of an error are shown. */
const CAUSES_MAX = 5;

/** Options of pino. */
export const boundedLines: Required<Pick<PinoLoggerOptions, 'formatters' | 'serializers' | 'hooks'>> = {
  formatters: {
    log: (fields) =>
      Object.fromEntries(
        Object.entries(fields).map(([name, value]) => [
          name,
          typeof value === 'string' ? cut(value, TEXT_SHOWN_MAX) : value,
        ]),
      ),
  },
  serializers: { err: shownError },
  hooks: {
    logMethod(args, method) {
      const bounded = args.map((arg) => (typeof arg === 'string' ? cut(arg, TEXT_SHOWN_MAX) : arg));
      Reflect.apply(method, this, bounded);
    },
  },
};

/** Name, message, stack and code, with its causes; other properties of an error may be anything. */
function shownError(error: unknown): unknown {
  if (!(error instanceof Error)) return typeof error === 'string' ? cut(error, TEXT_SHOWN_MAX) : error;
  const causes = causesOf(error);
  const code: unknown = 'code' in error ? error.code : undefined;
  return {
    type: error.name,
    message: cut(causes.map(({ message }) => message).join(': '), TEXT_SHOWN_MAX),
    stack: cut(causes.map(({ stack }) => String(stack)).join('\ncaused by: '), STACK_SHOWN_MAX),
    ...(typeof code === 'string' && { code: cut(code, TEXT_SHOWN_MAX) }),
  };
}

function causesOf(error: Error): Error[] {
  const causes: Error[] = [];
  for (let each: unknown = error; each instanceof Error && causes.length < CAUSES_MAX; each = each.cause)
    causes.push(each);
  return causes;
}

function cut(text: string, max: number): string {
  return text.length > max ? `${text.slice(0, max)}… (${text.length} characters)` : text;
}
