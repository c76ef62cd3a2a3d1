import type { Owner, SessionRecord } from '../../../src/sessions/session.ts';
import type { Position } from '../../../src/sessions/store/position.ts';
import type { SessionStore } from '../../../src/sessions/store/store.ts';

/** All sessions of an owner, read in pages of two. */
export async function allOf(store: SessionStore, owner: Owner): Promise<SessionRecord[]> {
  const found: SessionRecord[] = [];
  let after: Position | undefined;
  do {
    const { records, next } = await store.page(owner, 2, after);
    found.push(...records);
    after = next;
  } while (after !== undefined);
  return found;
}
