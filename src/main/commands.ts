import { loadConfig, describeConfig } from '../provider/read-config.ts';
import type { Arguments } from './arguments.ts';
import { explainAccess, readClaims } from './explain-access.ts';
import { EXIT_FAILURE } from './exit-codes.ts';
import { orExit } from './invalid-config.ts';

/** `--print-config`. */
export function printConfig({ config }: Arguments): void {
  process.stdout.write(orExit(config, describeConfig));
}

/** `--explain-access`. */
export function printAccess(args: Arguments): void {
  const { 'explain-access': file = '', claims = '', path = '' } = args;
  const explanation = explainAccess(orExit(file, loadConfig), orExit(claims, readClaims), path);
  console.log(explanation.lines.join('\n'));
  if (!explanation.isAllowed) process.exitCode = EXIT_FAILURE;
}

/** `--check`: prints the results, one per line, and exits. */
export async function check({ config: file }: Arguments): Promise<never> {
  const config = orExit(file, loadConfig);
  const { checkDependencies } = await import('../check.ts');
  const results = [
    { name: 'configuration', verdict: 'ok' as const, detail: `${file} is valid` },
    ...(await checkDependencies(config)),
  ];
  const labels = { ok: 'ok', warning: 'warning', failed: 'fails' };
  for (const { name, verdict, detail } of results) {
    console.log(`${labels[verdict].padEnd(7)}  ${name.padEnd(13)}  ${detail}`);
  }
  // Exits now: after a failed connection, ioredis 6 would keep the event loop alive for 2 s.
  process.exit(results.some(({ verdict }) => verdict === 'failed') ? EXIT_FAILURE : 0);
}
