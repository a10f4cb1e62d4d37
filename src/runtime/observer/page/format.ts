// Numbers, times and names as people read them. Widths are kept steady: figures of one column line up.

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });

/** A count: `12,345`. */
export function count(value: number): string {
  return whole.format(value);
}

/** Something in a second: `0`, `0.4`, `12`, `1,204`. */
export function rate(value: number): string {
  if (value === 0) return '0';
  return value < 9.95 ? value.toFixed(1) : whole.format(value);
}

/** A share of one as percent: `0 %`, `0.4 %`, `31 %`. */
export function percent(share: number): string {
  const value = share * 100;
  if (value < 0.05) return '0 %';
  return value < 9.95 ? `${value.toFixed(1)} %` : `${whole.format(value)} %`;
}

/** A short time in its largest unit: `0.8 ms`, `12 ms`, `1.2 s`, `3 min`. */
export function duration(ms: number): string {
  if (ms < 9.95) return `${ms < 0.05 ? 0 : ms.toFixed(1)} ms`;
  if (ms < 999.5) return `${ms.toFixed(0)} ms`;
  if (ms < 59_950) return `${(ms / 1_000).toFixed(1)} s`;
  return age(ms);
}

/** A long time in its two largest units: `12 s`, `3 min 4 s`, `2 h 5 min`, `3 d 4 h`. */
export function age(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1_000));
  const [minutes, hours, days] = [60, 3_600, 86_400].map((unit) => Math.floor(seconds / unit)) as [
    number,
    number,
    number,
  ];
  if (minutes === 0) return `${seconds} s`;
  if (hours === 0) return `${minutes} min ${seconds % 60} s`;
  if (days === 0) return `${hours} h ${minutes % 60} min`;
  return `${days} d ${hours % 24} h`;
}

/** Bytes: `0 B`, `812 B`, `1.2 kB`, `34 MB`. */
export function bytes(value: number): string {
  let [number, unit] = [value, 'B'];
  for (const next of ['kB', 'MB', 'GB', 'TB']) {
    if (number < 999.5) break;
    [number, unit] = [number / 1_000, next];
  }
  return `${unit === 'B' || number >= 9.95 ? number.toFixed(0) : number.toFixed(1)} ${unit}`;
}

/** The time of the day. */
export function timeOfDay(at: number): string {
  return clock.format(at);
}

/** `1 process`, `3 processes`. */
export function counted(number: number, one: string, many: string): string {
  return `${count(number)} ${number === 1 ? one : many}`;
}
