import cluster from 'node:cluster';
import { verifiesCertificates } from '../config/sources.ts';
import { VERSION } from '../version.ts';
import { readArguments, usage } from './arguments.ts';
import { EXIT_FAILURE } from './exit-codes.ts';
import { mayNeedSupervisor, superviseWorkers } from './supervise-workers.ts';

/**
 * Runs the program with the arguments of this process. It loads the modules of a role when it knows the role: those that read a
 * configuration take 45 MB, and the supervisor needs none of them.
 */
export async function main(): Promise<void> {
  const args = readArguments();
  if (args === undefined) {
    process.exitCode = EXIT_FAILURE;
    return;
  }
  if (args.help) {
    console.log(usage);
    return;
  }
  if (args.version) {
    console.log(`coatcheck ${VERSION}\nNode.js ${process.version}`);
    return;
  }
  if (args['print-config']) return (await import('./commands.ts')).printConfig(args);
  if (args['explain-access'] !== undefined) return (await import('./commands.ts')).printAccess(args);
  if (cluster.isWorker) return (await import('./serve.ts')).serveAsWorker();
  if (!verifiesCertificates()) {
    // SECURITY: neither the provider, nor an API, nor Redis would have to prove who it is.
    console.error(
      'NODE_TLS_REJECT_UNAUTHORIZED=0 turns off the verification of every certificate. Remove it from the environment. ' +
        'To trust a private CA, set provider.tls.ca, session.tls.ca or routes[].tls.ca.',
    );
    process.exitCode = EXIT_FAILURE;
    return;
  }
  if (args.check) return (await import('./commands.ts')).check(args);
  if (mayNeedSupervisor(args.config) && (await superviseWorkers(args))) return;
  const { serveAlone } = await import('./serve.ts');
  if (!(await serveAlone(args))) await superviseWorkers(args);
}
