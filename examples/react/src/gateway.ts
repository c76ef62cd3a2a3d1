import { createClient } from 'coatcheck-client';

/** The one client of the page. */
export const gateway = createClient<{ name?: string; email?: string }>();
