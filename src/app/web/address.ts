// The address of a note within the page: a fragment, so that it works below any path of a proxy and needs nothing of the server.

const ID_MAX = 2_147_483_647;

/** The fragment of a note; that of the list for null. */
export function fragmentOf(id: number | null): string {
  return id === null ? '#/' : `#/notes/${id}`;
}

/** The note that a fragment names; null for any other one. */
export function noteIn(fragment: string): number | null {
  const id = Number(/^#\/notes\/([1-9]\d{0,9})$/.exec(fragment)?.[1]);
  return id <= ID_MAX ? id : null;
}
