import { fileURLToPath } from 'node:url';
import { parseArgs, styleText } from 'node:util';
import { type Demo, startDemo } from './demo.ts';
import { DemoError } from './demo-error.ts';
import { isTrouble, type LogLine } from './log-line.ts';
import { isProviderName, type ProviderName, providers } from './provider/providers.ts';

const kinds = Object.keys(providers).join(', ');
const usage = `usage: npm run demo [-- --port N] [-- --provider KIND]

Starts an identity provider, an API, a single-page app and the gateway between them, all on this machine.

  --port N     the port of the page to open; default: 3000, or any free port
  --provider   the type of identity provider: ${kinds}; default: oidc
  --help       print this text

  REDIS_URL    store sessions in that Redis, such as redis://127.0.0.1:6379; default: in memory`;

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const { port, provider } = readArguments();
let stopping = false;
// All child processes end when this process exits, so signals must lead to a regular exit.
const exitAtOnce = () => process.exit(1);
for (const signal of signals) process.on(signal, exitAtOnce);

const demo = await startOrExit();
for (const signal of signals) process.off(signal, exitAtOnce).on(signal, () => void stop());
void demo.ended.then(async (how) => {
  if (stopping) return;
  await demo.stop();
  fail(`The gateway has stopped: ${how}.`);
});
welcome();

function readArguments(): { port: number | undefined; provider: ProviderName } {
  const options = {
    port: { type: 'string' },
    provider: { type: 'string', default: 'oidc' },
    help: { type: 'boolean', short: 'h' },
  } as const;
  try {
    const { values } = parseArgs({ options });
    if (values.help) {
      console.log(usage);
      process.exit(0);
    }
    const { port: written, provider: name } = values;
    if (!isProviderName(name)) throw new Error(`--provider: expected one of ${kinds}, got "${name}"`);
    if (written === undefined) return { port: undefined, provider: name };
    const number = Number(written);
    if (/^\d+$/.test(written) && number >= 1 && number <= 65_535) return { port: number, provider: name };
    throw new Error(`--port: expected a number from 1 to 65535, got "${written}"`);
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : 'unknown arguments'}\n\n${usage}`);
    process.exit(2);
  }
}

async function startOrExit(): Promise<Demo> {
  try {
    const root = fileURLToPath(new URL('..', import.meta.url));
    return await startDemo({ root, port, provider, onLog: report });
  } catch (error) {
    if (!(error instanceof DemoError)) throw error;
    return fail(error.message);
  }
}

async function stop(): Promise<void> {
  if (stopping) exitAtOnce();
  stopping = true;
  await demo.stop();
  process.exit(0);
}

function welcome(): void {
  const steps = [
    demo.advice,
    'Start the calls, and watch 30-second tokens being refreshed without a failed call.',
    'Make the API reject your token, and see the next call succeed.',
    ...(demo.hasStepUp ? ['Read the diary, which needs a fresh sign-in.'] : []),
    'Open the page in a second tab, and sign out there.',
  ];
  console.log(`
  Coatcheck is running. Open

    ${styleText(['bold', 'underline'], demo.url)}

${steps.map((step, index) => `  ${index + 1}. ${step}`).join('\n')}

  Admin console: ${styleText('underline', demo.adminUrl)}
  Admin token:   ${demo.adminToken}

  ${styleText('dim', `Sessions are stored ${describeStore()}. Ctrl-C stops everything.`)}
`);
}

function describeStore(): string {
  const { REDIS_URL: redis = '' } = process.env;
  if (!URL.canParse(redis)) return 'in memory; set REDIS_URL to use Redis';
  const { protocol, host, pathname } = new URL(redis);
  return `in Redis at ${protocol}//${host}${pathname}`;
}

function report(line: LogLine): void {
  if (!isTrouble(line)) return;
  const { level, message } = line;
  const colour = level === 'warn' ? 'yellow' : 'red';
  console.error(`  ${styleText(colour, level, { stream: process.stderr })}  gateway: ${message}`);
}

function fail(message: string): never {
  console.error(styleText('red', message, { stream: process.stderr }));
  process.exit(1);
}
