import { isSupportedNode, unsupportedNodeMessage } from '../supported-node.ts';

// The package entry imports this file first: the dependencies would fail with errors that say nothing of the cause.
if (!isSupportedNode(process.version)) throw new Error(unsupportedNodeMessage(process.version));
