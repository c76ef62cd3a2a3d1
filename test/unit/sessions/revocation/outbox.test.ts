import { expect, it } from 'vitest';
import { createLocalOutbox } from '../../../../src/sessions/revocation/outbox.ts';

it('drops the oldest tokens when they take more than 16 MiB, however few they are', async () => {
  const outbox = createLocalOutbox({ leaseMs: 1_000, clock: () => 0 });
  for (let at = 0; at < 40; at += 1)
    await outbox.add({
      issuer: 'https://login.example.test',
      refreshToken: String(at)
        .padStart(2, '0')
        .padEnd(1024 * 1024, 'x'),
    });
  const kept = outbox.claimAll().map(({ refreshToken }) => Number(refreshToken.slice(0, 2)));
  expect(kept).toEqual(Array.from({ length: 16 }, (_, at) => at + 24));
});
