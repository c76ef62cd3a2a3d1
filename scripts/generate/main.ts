import { writeFile } from 'node:fs/promises';
import { generatedFiles, placeOf } from './files.ts';

// Run by `npm run generate`.
for (const { path, committed, generated } of await generatedFiles()) {
  if (generated === committed) continue;
  await writeFile(placeOf(path), generated);
  console.log(`wrote ${path}`);
}
