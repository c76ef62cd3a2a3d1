#!/usr/bin/env node
import { isSupportedNode, unsupportedNodeMessage } from './supported-node.ts';

if (isSupportedNode(process.version)) {
  const { main } = await import('./main/program.ts');
  await main();
} else {
  console.error(unsupportedNodeMessage(process.version));
  process.exitCode = 1;
}
