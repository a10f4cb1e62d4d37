/** Lines of a table in the terminal: the first and last column to the left, figures to the right. */

/**
 * @param {number[]} widths
 * @returns {(...cells: string[]) => string}
 */
export function columns(widths) {
  return (...cells) => {
    const padded = cells.map((cell, i) => {
      const width = widths[i] ?? 0;
      return i === 0 || i === cells.length - 1 ? cell.padEnd(width) : cell.padStart(width);
    });
    return `${padded.join('  ').trimEnd()}\n`;
  };
}

/**
 * A figure with as many digits as mean something.
 * @param {number | undefined} value
 */
export function number(value) {
  if (value === undefined) return '';
  return value < 100 ? value.toFixed(2) : Math.round(value).toLocaleString('en');
}
