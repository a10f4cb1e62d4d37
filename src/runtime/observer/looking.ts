// What one page looks at now: which views of which node, what was asked about them and not answered yet, and what is to be sent.
//
// Invariants: a view has one question under way that counts; the answer to one from before the page turned it elsewhere is dropped,
// unread, so that what the page has is what the view remembers. Nothing is asked before what was answered has been taken, so that news
// of one view never has to be joined. A view that fails forgets what the page has and begins anew.
import type { Inspector } from '../inspect/index.ts';
import { type Node, TroupeError } from '../index.ts';
import type { Changes, ToPage, Views } from './protocol.ts';
import { makeView, type View, type ViewName } from './views.ts';

/** How many questions of one page may be unanswered. */
const ASKING_MAX = 16;
/** How long a view that has failed is left alone, in milliseconds. */
const AFTER_FAILURE_MS = 2_000;

/** A view of the page. */
interface Shown {
  readonly wanted: unknown;
  view: View;
  dueAt: number;
  /** The question that counts; undefined when there is none. */
  question: Question | undefined;
  /** What the page was told last of why it cannot be shown. */
  problem: string | undefined;
}

/** A question that was asked. */
interface Question {
  readonly name: ViewName;
  readonly shown: Shown;
}

/** The answer to a question; a message to the process of the page. */
export class Answer {
  /** @internal */ readonly question: Question;
  /** @internal Says what has changed, or why it cannot be said. */
  readonly result: (() => unknown) | { readonly problem: string };

  constructor(question: Question, result: Answer['result']) {
    this.question = question;
    this.result = result;
  }
}

/** What one page looks at; see the head of this file. */
export class Looking {
  readonly #own: Node;
  readonly #inspectorOf: (node: string) => Inspector;
  readonly #post: (answer: Answer) => void;
  readonly #shown = new Map<ViewName, Shown>();
  #node: string;
  #look = 0;
  #asking = 0;
  #news: Record<string, unknown> = {};
  readonly #problems = new Map<ViewName, string>();
  /** What is asked for the last look has been asked, and the page has not heard of it yet. */
  #owes = false;
  #isNew = false;

  /** @param post gets the answers, which go to `answered` */
  constructor(node: Node, inspectorOf: (node: string) => Inspector, post: (answer: Answer) => void) {
    this.#own = node;
    this.#node = node.name;
    this.#inspectorOf = inspectorOf;
    this.#post = post;
  }

  /** The node that the page looks into. */
  get node(): string {
    return this.#node;
  }

  /** True when the page looks at nothing. */
  get isIdle(): boolean {
    return this.#shown.size === 0;
  }

  /** True while answers to the last questions are missing. */
  get isAsking(): boolean {
    return this.#asking > 0;
  }

  /** The page looks at this from now on. */
  look(id: number, { node = this.#own.name, ...views }: Views): void {
    this.#look = id;
    this.#isNew = true;
    if (node !== this.#node) {
      this.#node = node;
      for (const name of this.#shown.keys()) this.#forget(name);
    }
    for (const name of this.#shown.keys()) if (views[name] === undefined) this.#forget(name);
    for (const [name, wanted] of Object.entries(views) as Array<[ViewName, unknown]>) {
      if (wanted !== undefined) this.#turn(name, wanted);
    }
  }

  /** Asks what is due, all that can be asked at once. */
  askDue(now: number): void {
    for (const [name, shown] of this.#shown) {
      if (shown.question !== undefined || shown.dueAt > now || this.#asking >= ASKING_MAX) continue;
      shown.dueAt = now + shown.view.periodMs;
      this.#ask({ name, shown });
    }
    if (this.#isNew) this.#owes = true;
    this.#isNew = false;
  }

  /** An answer has come. */
  answered({ question, result }: Answer, now: number): void {
    this.#asking--;
    const { name, shown } = question;
    if (this.#shown.get(name) !== shown || shown.question !== question) return;
    shown.question = undefined;
    if (typeof result === 'function') {
      const news = result();
      shown.problem = undefined;
      this.#problems.delete(name);
      if (news !== undefined) this.#news[name] = news;
      return;
    }
    shown.dueAt = now + AFTER_FAILURE_MS;
    shown.view = viewOf(name, shown.wanted);
    Reflect.deleteProperty(this.#news, name);
    if (shown.problem !== result.problem) this.#problems.set(name, result.problem);
    shown.problem = result.problem;
  }

  /** What is to be sent; none when there is nothing new. @param always sends that there is nothing new, too */
  take(always: boolean): ToPage[] {
    const look = this.#look;
    const frames: ToPage[] = [];
    const changes = this.#news as Changes;
    if (always || this.#owes || Object.keys(changes).length > 0)
      frames.push({ type: 'changes', look, changes });
    for (const [view, text] of this.#problems) frames.push({ type: 'problem', look, view, text });
    this.#news = {};
    this.#problems.clear();
    this.#owes = false;
    return frames;
  }

  #turn(name: ViewName, wanted: unknown): void {
    const before = this.#shown.get(name);
    if (before !== undefined && !before.view.turnTo(wanted as never)) return;
    const view = before?.view ?? viewOf(name, wanted);
    // A problem may be one of what the page looked at before.
    this.#shown.set(name, { wanted, view, dueAt: 0, question: undefined, problem: undefined });
    this.#problems.delete(name);
  }

  #forget(name: ViewName): void {
    this.#shown.delete(name);
    this.#problems.delete(name);
    Reflect.deleteProperty(this.#news, name);
  }

  #ask(question: Question): void {
    this.#asking++;
    question.shown.question = question;
    this.#answerTo(question).then(
      (tell) => {
        this.#post(new Answer(question, tell));
      },
      (error: unknown) => {
        this.#post(new Answer(question, { problem: problemOf(error) }));
      },
    );
  }

  async #answerTo({ shown }: Question): Promise<() => unknown> {
    return await shown.view.ask(this.#inspectorOf(this.#node));
  }
}

function viewOf(name: ViewName, wanted: unknown): View {
  return makeView[name](wanted as never) as unknown as View;
}

/** Why something failed, as one sentence for people. */
export function problemOf(error: unknown): string {
  if (error instanceof TroupeError) return error.what;
  return error instanceof Error ? error.message : String(error);
}
