// What a terminal shows after it was sent some text: as much of one as node:readline uses. Lines above the screen are kept.
// oxlint-disable-next-line no-control-regex
const CONTROL_SEQUENCE = /\u001B\[([\d;?]*)([A-Za-z])/y;
/** A title, or a set of characters: nothing of it is on the screen. */
// oxlint-disable-next-line no-control-regex
const UNSEEN_SEQUENCE = /\u001B(?:\][^\u0007]*\u0007|\(.|[=>])/y;

/** The screen of a terminal. */
export class Screen {
  readonly #columns: number;
  readonly #lines: string[][] = [[]];
  #row = 0;
  #column = 0;

  constructor(columns: number) {
    this.#columns = columns;
  }

  /** The lines, without spaces at their ends. */
  get lines(): string[] {
    return this.#lines.map((cells) =>
      Array.from(cells, (cell) => cell ?? ' ')
        .join('')
        .trimEnd(),
    );
  }

  /** The line with the cursor. */
  get cursorLine(): string {
    return this.lines[this.#row] ?? '';
  }

  /** Where the cursor is in its line. */
  get cursorColumn(): number {
    return this.#column;
  }

  write(text: string): void {
    for (let at = 0; at < text.length;) {
      CONTROL_SEQUENCE.lastIndex = at;
      const match = CONTROL_SEQUENCE.exec(text);
      if (match !== null) {
        this.#control(match[2] as string, match[1] as string);
        at += match[0].length;
        continue;
      }
      UNSEEN_SEQUENCE.lastIndex = at;
      if (UNSEEN_SEQUENCE.test(text)) at = UNSEEN_SEQUENCE.lastIndex;
      else {
        this.#put(text[at] as string);
        at++;
      }
    }
  }

  #put(character: string): void {
    if (character === '\r') this.#column = 0;
    else if (character === '\n') this.#moveTo(this.#row + 1);
    else if (character === '\b') this.#column = Math.max(0, this.#column - 1);
    else if (character >= ' ') {
      if (this.#column >= this.#columns) {
        this.#moveTo(this.#row + 1);
        this.#column = 0;
      }
      this.#cells[this.#column++] = character;
    }
  }

  #control(name: string, parameters: string): void {
    const count = Number(parameters.split(';')[0]) || 1;
    if (name === 'A') this.#moveTo(Math.max(0, this.#row - count));
    else if (name === 'B') this.#moveTo(this.#row + count);
    else if (name === 'C') this.#column = Math.min(this.#columns - 1, this.#column + count);
    else if (name === 'D') this.#column = Math.max(0, this.#column - count);
    else if (name === 'G') this.#column = count - 1;
    else if (name === 'K') this.#cells.length = Math.min(this.#cells.length, this.#column);
    else if (name === 'J') {
      this.#cells.length = Math.min(this.#cells.length, this.#column);
      this.#lines.length = this.#row + 1;
    }
  }

  #moveTo(row: number): void {
    this.#row = row;
    while (this.#lines.length <= row) this.#lines.push([]);
  }

  get #cells(): string[] {
    return this.#lines[this.#row] as string[];
  }
}
