// What the server tells a page that watches: the process of its connection, the members of the channel, each message. What does not fit is
// passed over, as from a newer server.
import type { Members, Told } from './state.ts';

/** Reads what is told; undefined when it is something else. */
export function parseTold(topic: string, payload: unknown): Told | undefined {
  if (typeof payload !== 'object' || payload === null) return undefined;
  const data = payload as Record<string, unknown>;
  switch (topic) {
    case 'connection': {
      const observer = data['observer'] === true;
      if (data['hidden'] === true) return { kind: 'connection', own: 'hidden', observer };
      const [pid, node, channel] = texts(data, 'pid', 'node', 'channel');
      if (pid === undefined || node === undefined || channel === undefined) return undefined;
      return { kind: 'connection', own: { pid, node, channel, full: data['full'] === true }, observer };
    }
    case 'members':
      return isMembers(data) ? { kind: 'members', members: data } : undefined;
    case 'message': {
      const [channel, sender, told] = texts(data, 'channel', 'sender', 'topic');
      if (channel === undefined || sender === undefined || told === undefined) return undefined;
      const message = { channel, sender, topic: told, payload: JSON.stringify(data['payload'] ?? {}) };
      return { kind: 'message', message };
    }
    default:
      return undefined;
  }
}

function texts(data: Record<string, unknown>, ...names: string[]): (string | undefined)[] {
  return names.map((name) => {
    const value = data[name];
    return typeof value === 'string' ? value : undefined;
  });
}

function isMembers(data: object): data is Members {
  const { nodes, nodeCount } = data as { nodes?: unknown; nodeCount?: unknown };
  return typeof nodeCount === 'number' && Array.isArray(nodes) && nodes.every(isNode);
}

function isNode(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { node, count, members } = value as Record<string, unknown>;
  return (
    typeof node === 'string' &&
    typeof count === 'number' &&
    Array.isArray(members) &&
    members.every((each: unknown) => typeof (each as { pid?: unknown } | null)?.pid === 'string')
  );
}
