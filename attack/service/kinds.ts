// The kinds of attacks, in the order in which they are played.
import type { Kind } from './kind.ts';
import { crowds } from './kinds/crowds.ts';
import { descriptors } from './kinds/descriptors.ts';
import { disk } from './kinds/disk.ts';
import { garbage } from './kinds/garbage.ts';
import { hosts } from './kinds/hosts.ts';
import { lists } from './kinds/lists.ts';
import { edits, oddNotes } from './kinds/notes.ts';
import { slow } from './kinds/slow.ts';

export const allKinds = (): readonly Kind[] => [
  oddNotes,
  edits,
  lists,
  slow,
  crowds,
  hosts,
  garbage,
  descriptors,
  disk,
];
