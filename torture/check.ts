// What the database says in the end, and whether it and what clients and writers know are the same.
import { digestOf, type Follower } from './followers.ts';
import type { Answered } from './writers.ts';

/** The rows of the tables. */
export interface Stored {
  /** In the order of the positions. */
  readonly events: ReadonlyArray<{
    readonly position: number;
    readonly topic: string;
    readonly payload: string;
  }>;
  readonly notes: ReadonlyArray<{ readonly id: number; readonly title: string }>;
  /** Notes whose words in the index are not those of their texts, and how many are still marked as not indexed. */
  readonly index: { readonly wrong: readonly number[]; readonly marked: number };
}

export const EVENTS = `select position::int as position, topic, payload from channel_events where channel = 'notes' order by position`;
export const NOTES = `select id::int as id, title from notes order by id`;

/** What is wrong; nothing in a run that is as promised. */
export function faultsOf(
  stored: Stored,
  followers: readonly Follower[],
  answered: readonly Answered[],
): string[] {
  return [
    ...faultsOfHistory(stored),
    ...faultsOfIndex(stored),
    ...faultsOfAnswers(stored, answered),
    ...followers.flatMap((follower) => faultsOfFollower(stored, follower)),
  ];
}

/** Positions have no gaps, and the notes are what the events have made of them: each was stored with its change. */
function faultsOfHistory({ events, notes }: Stored): string[] {
  const gaps = events.filter(({ position }, index) => position !== index + 1).length;
  const made = new Map<number, string>();
  for (const { topic, payload } of events) {
    const { id, title } = JSON.parse(payload) as { id: number; title: string };
    if (topic === 'note_deleted') made.delete(id);
    else made.set(id, title);
  }
  const different = notes.filter(({ id, title }) => made.get(id) !== title).length;
  return [
    ...(gaps > 0 ? [`the history has ${gaps} gaps`] : []),
    ...(different > 0 || made.size !== notes.length
      ? [`${different} of ${notes.length} notes are not what the events say; these have made ${made.size}`]
      : []),
  ];
}

function faultsOfIndex({ index: { wrong, marked } }: Stored): string[] {
  return [
    ...(wrong.length > 0 ? [`the index has other words than ${wrong.length} notes`] : []),
    ...(marked > 0 ? [`${marked} notes are not indexed`] : []),
  ];
}

function faultsOfAnswers({ events }: Stored, answered: readonly Answered[]): string[] {
  const stored = new Set(
    events.map(({ topic, payload }) => {
      const { id, title = '' } = JSON.parse(payload) as { id: number; title?: string };
      return `${topic} ${id} ${title}`;
    }),
  );
  const missing = answered.filter(({ topic, id, title }) => !stored.has(`${topic} ${id} ${title}`));
  return missing.length > 0 ? [`${missing.length} changes were answered and have no event`] : [];
}

function faultsOfFollower({ events }: Stored, follower: Follower): string[] {
  follower.compare(
    new Map(events.map(({ position, topic, payload }) => [position, digestOf(topic, JSON.parse(payload))])),
  );
  const behind = (events.at(-1)?.position ?? 0) - follower.position;
  const { lost, twice, disordered, changed } = follower.counts;
  if (lost + twice + disordered + changed + Math.abs(behind) === 0) return [];
  return [
    `${follower.name}: ${lost} lost, ${twice} twice, ${disordered} out of order, ${changed} changed, ${behind} not seen`,
  ];
}
