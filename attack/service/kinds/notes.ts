// What anybody may write: notes that are costly to cut into words, to index and to search, in many scripts, and edits without end.
import type { Kind, Scale } from '../kind.ts';
import { ask, inParallel, make, type Text } from '../lib/api.ts';
import type { Service } from '../lib/service.ts';

const BODY_MAX = 100_000;
const WIDTH = 4;

/** A text of a length, from a piece that is repeated. */
const fill = (piece: string, length = BODY_MAX): string =>
  Array.from(piece.repeat(Math.ceil(length / piece.length)))
    .slice(0, length)
    .join('');

const letters = (first: number, count: number): string[] =>
  Array.from({ length: count }, (_, index) => String.fromCodePoint(first + index));

/** Bodies of notes, by what is odd about them. */
const bodies: Readonly<Record<string, () => string>> = {
  'different one-letter words': () => letters(0x4e00, 20_000).join(' ').slice(0, BODY_MAX),
  'the same letter, spaced': () => fill('a '),
  'one word': () => fill('a'),
  'one word of Han': () => fill('汉'),
  'different words': () => fill(Array.from({ length: 20_000 }, (_, index) => index.toString(36)).join(' ')),
  'Chinese without a space': () => fill('我们明天开会讨论新的检索功能'),
  Japanese: () => fill('新しい検索機能をテストします'),
  Thai: () => fill('ประชุมพรุ่งนี้ตอนเช้าที่สำนักงานใหญ่'),
  Khmer: () => fill('ភាសាខ្មែរគ្មានដកឃ្លារវាងពាក្យ'),
  Arabic: () => fill('كِتَابٌ جَدِيدٌ فِي المَكْتَبَةِ '),
  Hebrew: () => fill('שָׁלוֹם עֲלֵיכֶם '),
  Hindi: () => fill('प्रक्रिया समूह '),
  Cyrillic: () => fill('слово и дело '),
  emoji: () => fill('👩‍👩‍👧‍👦🏳️‍🌈', 50_000),
  'towers of marks': () => fill(`e${'\u0301'.repeat(200)}`),
  'marks alone': () => fill('\u0301'),
  ligatures: () => fill('ﷺ ﬃ '),
  'compatibility forms': () => fill('Ｆｕｌｌｗｉｄｔｈ ①②③ ㍿ '),
  markup: () => fill('<b>x</b>&amp;`code`|a|b|'),
  punctuation: () => fill('!?.,;:'),
  operators: () => fill("a' | 'b & !c:* <-> "),
  'right to left controls': () => fill('\u202eabc\u202c'),
  'zero width': () => fill('a\u200bb\u200dc\ufeff'),
  lines: () => `x${fill('\n', BODY_MAX - 1)}`,
  numbers: () => fill('1234567890.'),
  addresses: () => fill('http://user@example.org/a/b?c=d#e '),
};

/** Words that begin each other: 19 notes of 5.5 MB, as one found that ends a prefix tree. */
const nested = (index: number): string => {
  const words: string[] = [];
  for (let length = 1; words.join(' ').length + length < BODY_MAX && length < 440; length++)
    words.push('ab'.repeat(length + index));
  return fill(words.join(' '));
};

const QUERIES = [
  'a',
  'ab',
  'aa',
  'abababab',
  'e',
  '我们',
  '汉',
  '的',
  'ประชุม',
  'كتاب',
  'слово',
  "a'|b",
  '!c:*',
  '\u0301',
  '👩‍👩‍👧‍👦',
  '0',
  '%',
  '\\',
  'kubernets',
  'x'.repeat(200),
  'a b c d e f g h i j k l m n o p',
];

const note = (title: string, body: string): Text => ({ title: title.slice(0, 200), body, author: 'odd' });

async function search(
  service: Service,
  queries: readonly string[],
  broken: (what: string) => void,
): Promise<void> {
  await inParallel(queries, WIDTH, async (query) => {
    const { status } = await ask(service, 'GET', `/api/notes?q=${encodeURIComponent(query)}`);
    if (status !== 200 && status !== 503)
      broken(`a search for ${JSON.stringify(query.slice(0, 20))} was answered ${status}`);
  });
}

export const oddNotes: Kind = {
  name: 'odd-notes',
  title: 'notes in many scripts and of odd forms, changed, searched and deleted',
  async play(service: Service, scale: Scale, broken: (what: string) => void) {
    const rounds = scale === 'full' ? 3 : 1;
    const nestedMax = scale === 'full' ? 19 : 2;
    const texts = Object.entries(bodies).map(([title, body]) => note(title, body()));
    texts.push(...Array.from({ length: nestedMax }, (_, index) => note(`nested ${index}`, nested(index))));
    for (let round = 0; round < rounds; round++) {
      const ids: number[] = [];
      await inParallel(texts, WIDTH, async (text) => {
        const id = await make(service, text);
        if (id === undefined) broken(`a note was refused: ${text.title}`);
        else ids.push(id);
      });
      await search(service, QUERIES, broken);
      await inParallel(ids.slice(0, ids.length / 2), WIDTH, async (id, index) => {
        const { title, body } = texts[texts.length - 1 - index] as Text;
        await ask(service, 'PUT', `/api/notes/${id}`, { title, body });
      });
      await search(service, QUERIES, broken);
      await inParallel(ids, WIDTH, (id) => ask(service, 'DELETE', `/api/notes/${id}`));
    }
  },
};

export const edits: Kind = {
  name: 'edits',
  title: 'the same notes changed again and again',
  async play(service, scale, broken) {
    const [notes, changes] = scale === 'full' ? [200, 2_000] : [50, 100];
    const ids: number[] = [];
    const text = (seed: number): string =>
      Array.from({ length: 60 }, (_, index) =>
        ((seed * 7_919 + index * 104_729) % 1_679_616).toString(36),
      ).join(' ');
    await inParallel(Array.from({ length: notes }), WIDTH, async (_, index) => {
      const id = await make(service, note(`note ${index}`, text(index)));
      if (id !== undefined) ids.push(id);
    });
    await inParallel(Array.from({ length: changes }), WIDTH, async (_, index) => {
      const id = ids[index % ids.length];
      const { status } = await ask(service, 'PUT', `/api/notes/${id}`, {
        title: `change ${index}`,
        body: text(index + notes),
      });
      if (status !== 200) broken(`an edit was answered ${status}`);
    });
    await search(service, QUERIES, broken);
  },
};
