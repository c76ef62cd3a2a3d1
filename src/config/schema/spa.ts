import { z } from 'zod';
import { text } from '../values/scalar.ts';
import { originUrl } from '../values/url.ts';
import { section } from './declaration/section.ts';

/** Where the single-page app comes from: a directory of built files, or its development server. */
export type SpaConfig = { directory: string; devServer?: never } | { directory?: never; devServer: string };

/** The single-page app; exactly one of the keys must be set. */
export const spaSchema = section({
  directory: text('expected a directory').exactOptional().meta({
    description: 'The directory of the built files, relative to the working directory of the process.',
    example: './dist',
    setInReference: true,
  }),
  devServer: originUrl('expected the origin of the development server, such as http://127.0.0.1:5173')
    .exactOptional()
    .meta({
      description: 'The origin of a development server; pages, assets and its hot-reload socket are proxied.',
      example: 'http://127.0.0.1:5173',
    }),
})
  .transform(({ directory, devServer }, context): SpaConfig => {
    if (directory !== undefined && devServer === undefined) return { directory };
    if (devServer !== undefined && directory === undefined) return { devServer };
    context.addIssue('expected exactly one of directory and devServer');
    return z.NEVER;
  })
  .meta({
    setInReference: true,
    description:
      'The single-page app: one of the two keys. Without `spa`, the gateway serves APIs and its own endpoints only.',
  });
