import type { Config } from '../config/schema/schema.ts';
import { tracesTarget, unusableTracesVariable } from '../config/traces-target.ts';
import { checkResult, type CheckResult } from '../provider/check-result.ts';
import { tryConnection } from './connection.ts';
import { reasonOf } from './reason.ts';

const CONNECT_TIMEOUT_MS = 5_000;

/** Connects to the collector that the environment names, and sends nothing. Without it, requests are served all the same. */
export async function checkTraces({ telemetry }: Config): Promise<readonly CheckResult[]> {
  if (telemetry.traces === 'off') return [];
  const variable = unusableTracesVariable();
  if (variable !== undefined) {
    const detail = `${variable} is not an http or https URL, and no spans are sent: write one such as http://collector:4318`;
    return [checkResult('traces', 'warning', detail)];
  }
  const target = tracesTarget();
  if (target === undefined) return [];
  const { origin, pathname } = new URL(target.url);
  try {
    await tryConnection(target.url, {}, CONNECT_TIMEOUT_MS);
    return [checkResult('traces', 'ok', `${origin}${pathname}`)];
  } catch (error) {
    const detail = `${origin}${pathname} cannot be connected to: ${reasonOf(error)}; its spans are dropped`;
    return [checkResult('traces', 'warning', detail)];
  }
}
