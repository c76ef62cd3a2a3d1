import { z } from 'zod';
import { text } from '../values/scalar.ts';
import { section } from './section.ts';
import { originUrl } from '../values/url.ts';

/** Where the single-page app comes from: a directory of built files, or its development server. */
export type SpaConfig = { directory: string; devServer?: never } | { directory?: never; devServer: string };

/** The single-page app; exactly one of the keys must be there. */
export const spaSchema = section({
  directory: text('expected a directory')
    .exactOptional()
    .describe('The directory of built files, relative to the working directory of the process.'),
  devServer: originUrl('expected the origin of the development server, such as http://127.0.0.1:5173')
    .exactOptional()
    .describe('The origin of a development server; pages, assets and its hot-reload socket are proxied.'),
})
  .transform(({ directory, devServer }, context): SpaConfig => {
    if (directory !== undefined && devServer === undefined) return { directory };
    if (devServer !== undefined && directory === undefined) return { devServer };
    context.addIssue('expected exactly one of directory and devServer');
    return z.NEVER;
  })
  .describe('The single-page app; without it the gateway serves APIs and its own endpoints only.');
