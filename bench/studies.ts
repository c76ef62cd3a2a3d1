import { featureCosts } from './studies/features.ts';
import { growth } from './studies/growth.ts';
import { idle } from './studies/idle.ts';
import { memory } from './studies/memory.ts';
import { refresh } from './studies/refresh.ts';
import { renewal } from './studies/renewal.ts';
import { besidePeers, requests } from './studies/requests.ts';
import { sessions } from './studies/sessions/sessions.ts';
import { sockets } from './studies/sockets.ts';
import { start } from './studies/start.ts';
import { streams } from './studies/streams.ts';
import type { Study } from './study.ts';

/** The subjects of the benchmark, by their short names. */
export const studies = {
  requests,
  peers: besidePeers,
  refresh,
  renewal,
  idle,
  features: featureCosts,
  growth,
  sessions,
  streams,
  sockets,
  memory,
  start,
} satisfies Record<string, Study>;

/** The short name of a subject. */
export type StudyId = keyof typeof studies;
