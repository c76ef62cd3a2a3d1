import cluster from 'node:cluster';
import { ConfigError, formatProblems } from '../config/config-error.ts';
import type { Config } from '../config/schema/schema.ts';
import { recordingSources, verifiesCertificates } from '../config/sources.ts';
import { describeConfig, loadConfig } from '../provider/read-config.ts';
import { VERSION } from '../version.ts';
import { configOfWorker } from '../workers/worker.ts';
import { readArguments, usage } from './arguments.ts';
import { explainAccess, readClaims } from './explain-access.ts';
import { EXIT_CONFIG, EXIT_FAILURE } from './exit-codes.ts';
import { run } from './run.ts';

/** Runs the program with the arguments of this process. */
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
  if (args['print-config']) {
    process.stdout.write(orExit(args.config, describeConfig));
    return;
  }
  const { 'explain-access': explained, claims, path } = args;
  if (explained !== undefined && claims !== undefined && path !== undefined) {
    const explanation = explainAccess(orExit(explained, loadConfig), orExit(claims, readClaims), path);
    console.log(explanation.lines.join('\n'));
    if (!explanation.isAllowed) process.exitCode = EXIT_FAILURE;
    return;
  }
  if (cluster.isWorker) return run(await configOfWorker(), args);
  if (!verifiesCertificates()) {
    // SECURITY: neither the provider, nor an API, nor Redis would have to prove who it is.
    console.error(
      'NODE_TLS_REJECT_UNAUTHORIZED=0 turns off the verification of every certificate. Remove it from the environment. ' +
        'To trust a private CA, set provider.tls.ca, session.tls.ca or routes[].tls.ca.',
    );
    process.exitCode = EXIT_FAILURE;
    return;
  }
  const sources = recordingSources();
  const config = orExit(args.config, (file) => loadConfig(file, sources));
  if (args.check) {
    const isHealthy = await report(config, args.config);
    // Exits now: after a failed connection, ioredis 6 would keep the event loop alive for 2 s.
    process.exit(isHealthy ? 0 : EXIT_FAILURE);
  }
  await run({ config, file: args.config, texts: sources.texts() }, args);
}

/** Prints the results of `--check`, one per line. Returns false if any check failed. */
async function report(config: Config, file: string): Promise<boolean> {
  const { checkDependencies } = await import('../check.ts');
  const results = [
    { name: 'configuration', verdict: 'ok' as const, detail: `${file} is valid` },
    ...(await checkDependencies(config)),
  ];
  const labels = { ok: 'ok', warning: 'warning', failed: 'fails' };
  for (const { name, verdict, detail } of results) {
    console.log(`${labels[verdict].padEnd(7)}  ${name.padEnd(13)}  ${detail}`);
  }
  return results.every(({ verdict }) => verdict !== 'failed');
}

/** Reads the configuration file. Lists its problems and exits when it is invalid. */
function orExit<Result>(file: string, read: (file: string) => Result): Result {
  try {
    return read(file);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const count = error.problems.length === 1 ? 'one problem' : `${error.problems.length} problems`;
    console.error(`The configuration is invalid: ${count}.\n${formatProblems(file, error.problems)}`);
    process.exit(EXIT_CONFIG);
  }
}
