// What a page can look at: for each kind of view what is asked of the inspector, how often, and what of the answer is news to the page.
//
// A view belongs to one page and one node. It remembers what that page has; when the page looks at another part of the same thing, the
// rows that it has already are not sent again. Texts of the program are cut, and times that only grow are rounded, so that a frame has a
// bounded size and nothing is sent for what nobody could see.
import type {
  ChannelRow,
  GroupSummary,
  Inspector,
  MemberRow,
  Page,
  ProcessSummary,
  TreeLine as TreeListLine,
} from '../inspect/index.ts';
import { cut } from '../terms/format.ts';
import type { Changes, TreeLine, Views } from './protocol.ts';
import { type Table, TableCopy } from './table-copy.ts';

/** The shortest time between two questions, in milliseconds. */
export const TICK_MS = 250;
/** The same for what is sampled once a second, costs more, or disturbs the process that is asked. */
const SECOND_MS = 1_000;
/** Characters of a label, a name or a behaviour in a row. */
const LABEL_MAX = 200;
/** Characters of the name of a group or channel. */
export const GROUP_MAX = 1_000;

/** The names of the views. */
export type ViewName = keyof Changes;
type Asked<Name extends ViewName> = NonNullable<Views[Name]>;
/** Says, once, what of an answer is news to the page; undefined for nothing. */
type Tell<News> = () => News | undefined;

/** A view of one page; see the head of this file. */
export class View<Wanted = never, News = unknown> {
  readonly periodMs: number;
  #wanted: Wanted;
  readonly #ask: (inspector: Inspector, wanted: Wanted) => Promise<Tell<News>>;

  constructor(
    periodMs: number,
    wanted: Wanted,
    ask: (inspector: Inspector, wanted: Wanted) => Promise<Tell<News>>,
  ) {
    this.periodMs = periodMs;
    this.#wanted = wanted;
    this.#ask = ask;
  }

  /** Looks at another part. @returns false for the same one */
  turnTo(wanted: Wanted): boolean {
    if (JSON.stringify(wanted) === JSON.stringify(this.#wanted)) return false;
    this.#wanted = wanted;
    return true;
  }

  ask(inspector: Inspector): Promise<Tell<News>> {
    return this.#ask(inspector, this.#wanted);
  }
}

/** Makes the views. */
export const makeView: {
  readonly [Name in ViewName]: (wanted: Asked<Name>) => View<Asked<Name>, NonNullable<Changes[Name]>>;
} = {
  processes: (wanted) => {
    const copy = new TableCopy<ProcessSummary>();
    return new View(TICK_MS, wanted, async (inspector, { count, ...options }) => {
      const page = await inWindow(options.first, count, (first, limit) =>
        inspector.processPage({ ...options, first, limit }),
      );
      return () => copy.update(tableOf(page, ({ pid }) => pid, shownProcess));
    });
  },
  tree: (wanted) => {
    const copy = new TableCopy<TreeLine>();
    return new View(2 * TICK_MS, wanted, async (inspector, { count, ...options }) => {
      const page = await inWindow(options.first, count, (first, limit) =>
        inspector.treePage({ ...options, first, limit }),
      );
      return () => copy.update(tableOf(page, ({ key }) => cut(key, GROUP_MAX), shownLine));
    });
  },
  groups: (wanted) => {
    const copy = new TableCopy<GroupSummary>();
    const lastScopes = new LastSent();
    return new View(2 * TICK_MS, wanted, async (inspector, { count, ...options }) => {
      const [page, scopes] = await Promise.all([
        inWindow(options.first, count, (first, limit) => inspector.groupPage({ ...options, first, limit })),
        inspector.scopes(),
      ]);
      return () => {
        const change = copy.update(
          tableOf(
            page,
            ({ group }) => cut(group, GROUP_MAX),
            (row) => ({ ...row, group: cut(row.group, GROUP_MAX) }),
          ),
        );
        if (!lastScopes.differs(scopes) && change === undefined) return undefined;
        return { ...(change ?? { set: {}, first: page.first, total: page.total }), scopes };
      };
    });
  },
  members: (wanted) => {
    const copy = new TableCopy<MemberRow>();
    return new View(SECOND_MS, wanted, async (inspector, { group, scope, first, count }) => {
      const all = await inspector.members(group, scope);
      const from = Math.min(first, Math.max(0, all.length - count));
      const page = { first: from, total: all.length, rows: all.slice(from, from + count) };
      return () =>
        copy.update(
          tableOf(
            page,
            ({ pid }) => pid,
            (row) => ({ ...row, name: labelOf(row.name), label: labelOf(row.label) }),
          ),
        );
    });
  },
  channels: (wanted) => {
    const copy = new TableCopy<ChannelRow>();
    return new View(SECOND_MS, wanted, async (inspector, { count, ...options }) => {
      const page = await inWindow(options.first, count, (first, limit) =>
        inspector.channelPage({ ...options, first, limit }),
      );
      return () =>
        copy.update(
          tableOf(
            page,
            ({ channel }) => cut(channel, GROUP_MAX),
            (row) => ({ ...row, channel: cut(row.channel, GROUP_MAX), perSecond: perSecond(row.perSecond) }),
          ),
        );
    });
  },
  nodes: (wanted) => {
    const last = new LastSent();
    return new View(SECOND_MS, wanted, async (inspector) => {
      const [nodes, peers] = await Promise.all([inspector.nodes(), inspector.peers()]);
      const news = { nodes, peers };
      return () => (last.differs(news) ? news : undefined);
    });
  },
  load: (wanted) => {
    let sentUntil = 0;
    return new View(SECOND_MS, wanted, async (inspector) => {
      const [now, points] = await Promise.all([inspector.load(), inspector.loadHistory(sentUntil)]);
      return () => {
        sentUntil = points.at(-1)?.at ?? sentUntil;
        return { points, now };
      };
    });
  },
  process: (wanted) => {
    const last = new LastSent();
    return new View(SECOND_MS, wanted, async (inspector, target) => {
      const found = await inspector.process(target);
      const groups = found.groups.map((each) => ({ ...each, group: cut(each.group, GROUP_MAX) }));
      const detail = { ...found, label: cut(found.label, GROUP_MAX), groups };
      return () => (last.differs(detail) ? { detail } : undefined);
    });
  },
};

/** Something that is sent whole when it has changed. */
class LastSent {
  #json: string | undefined;

  differs(value: unknown): boolean {
    const json = JSON.stringify(value);
    const differs = json !== this.#json;
    this.#json = json;
    return differs;
  }
}

/** A window of a list; the last one when the list is not that long. */
async function inWindow<Row>(
  first: number,
  count: number,
  ask: (first: number, limit: number) => Promise<Page<Row>>,
): Promise<Page<Row>> {
  const page = await ask(first, count);
  if (page.rows.length > 0 || page.total === 0 || count === 0 || first < page.total) return page;
  return await ask(Math.max(0, page.total - count), count);
}

function tableOf<Row, Shown>(
  { first, total, rows }: Page<Row>,
  keyOf: (row: Row) => string,
  show: (row: Row) => Shown,
): Table<Shown> {
  return { first, total, rows: rows.map((row) => [keyOf(row), show(row)] as const) };
}

function shownProcess(row: ProcessSummary): ProcessSummary {
  return {
    ...row,
    name: labelOf(row.name),
    label: cut(row.label, LABEL_MAX),
    behaviour: cut(row.behaviour, LABEL_MAX),
    awaitingMs: row.awaitingMs === undefined ? undefined : age(row.awaitingMs),
    oldestMs: age(row.oldestMs),
    busyMs: Math.round(row.busyMs),
    longestMs: Math.round(row.longestMs * 10) / 10,
    busyShare: Math.round(row.busyShare * 1_000) / 1_000,
    handledPerSecond: perSecond(row.handledPerSecond),
  };
}

function shownLine(line: TreeListLine): TreeLine {
  const { key, depth, open, pid, id, name, label, type, status, strategy, childCount } = line;
  return {
    key: cut(key, GROUP_MAX),
    depth,
    pid,
    title: cut(name ?? id ?? label ?? pid ?? '', LABEL_MAX),
    type,
    status,
    strategy,
    children: childCount,
    open,
  };
}

/** A time that grows while one looks, in steps that somebody could see. */
function age(ms: number): number {
  const step = ms < 10_000 ? 100 : ms < 600_000 ? 1_000 : 60_000;
  return Math.floor(ms / step) * step;
}

function perSecond(rate: number): number {
  return rate < 100 ? Math.round(rate * 10) / 10 : Math.round(rate);
}

function labelOf(text: string | undefined): string | undefined {
  return text === undefined ? undefined : cut(text, LABEL_MAX);
}
