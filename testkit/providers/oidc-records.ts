import type { AdapterFactory, AdapterPayload } from 'oidc-provider';

/** Keeps everything the provider remembers (sessions, grants, codes, tokens) in this process's memory. */
export function createOidcRecords(): AdapterFactory {
  const records = new Map<string, { payload: AdapterPayload; expiresAtMs: number }>();

  function dropExpired(): void {
    const now = Date.now();
    for (const [key, { expiresAtMs }] of records) if (expiresAtMs <= now) records.delete(key);
  }

  return (model) => {
    const keyOf = (id: string) => `${model}:${id}`;

    function findBy(matches: (payload: AdapterPayload) => boolean): AdapterPayload | undefined {
      for (const [key, { payload }] of records) {
        if (key.startsWith(keyOf('')) && matches(payload)) return payload;
      }
      return undefined;
    }

    return {
      async upsert(id, payload, expiresIn) {
        dropExpired();
        const expiresAtMs = expiresIn === undefined ? Infinity : Date.now() + expiresIn * 1000;
        records.set(keyOf(id), { payload, expiresAtMs });
      },
      async find(id) {
        dropExpired();
        return records.get(keyOf(id))?.payload;
      },
      async findByUid(uid) {
        dropExpired();
        return findBy((payload) => payload.uid === uid);
      },
      async findByUserCode(userCode) {
        dropExpired();
        return findBy((payload) => payload.userCode === userCode);
      },
      async consume(id) {
        const record = records.get(keyOf(id));
        if (record) record.payload.consumed = Math.floor(Date.now() / 1000);
      },
      async destroy(id) {
        records.delete(keyOf(id));
      },
      async revokeByGrantId(grantId) {
        for (const [key, { payload }] of records) {
          if (key.startsWith(keyOf('')) && payload.grantId === grantId) records.delete(key);
        }
      },
    };
  };
}
