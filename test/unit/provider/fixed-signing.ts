import type { Signing } from '../../../src/provider/oidc/server-metadata.ts';

/** A provider that always announces the same. */
export function fixedSigning(signing: Signing): { signing: Signing; readSigning: () => Promise<Signing> } {
  return { signing, readSigning: async () => signing };
}
