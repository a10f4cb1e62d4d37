// Times as people say them. Pure: the present is handed in. A time that seems to lie ahead, because this clock is behind
// the server's, is "just now".

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const WEEK_MS = 7 * DAY_MS;

const ago = new Intl.RelativeTimeFormat('en');

/** "just now", "5 minutes ago", "2 days ago"; after a week the date, in `timeZone` or the browser's own. */
export function relativeTime(iso: string, nowMs: number, timeZone?: string): string {
  const thenMs = Date.parse(iso);
  const ageMs = nowMs - thenMs;
  if (ageMs < MINUTE_MS) return 'just now';
  if (ageMs < HOUR_MS) return ago.format(-Math.floor(ageMs / MINUTE_MS), 'minute');
  if (ageMs < DAY_MS) return ago.format(-Math.floor(ageMs / HOUR_MS), 'hour');
  if (ageMs < WEEK_MS) return ago.format(-Math.floor(ageMs / DAY_MS), 'day');
  return format(thenMs, { dateStyle: 'medium' }, timeZone);
}

/** The whole date and time, in `timeZone` or the browser's own. */
export function absoluteTime(iso: string, timeZone?: string): string {
  return format(Date.parse(iso), { dateStyle: 'full', timeStyle: 'short' }, timeZone);
}

/** The time of day, to the second. */
export function clockTime(ms: number, timeZone?: string): string {
  return format(ms, { timeStyle: 'medium' }, timeZone);
}

// To make one takes a hundred times as long as to use it.
const formats = new Map<string, Intl.DateTimeFormat>();

function format(ms: number, options: Intl.DateTimeFormatOptions, timeZone: string | undefined): string {
  const key = `${options.dateStyle ?? ''} ${options.timeStyle ?? ''} ${timeZone ?? ''}`;
  let known = formats.get(key);
  if (known === undefined) {
    known = new Intl.DateTimeFormat('en-GB', { ...options, ...(timeZone === undefined ? {} : { timeZone }) });
    formats.set(key, known);
  }
  return known.format(ms);
}
