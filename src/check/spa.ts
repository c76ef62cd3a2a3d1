import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Config } from '../config/schema/schema.ts';
import { checkResult, type CheckResult } from '../provider/check-result.ts';
import { tryConnection } from './connection.ts';
import { reasonOf } from './reason.ts';

const CONNECT_TIMEOUT_MS = 5_000;

/** Tests that the files of the app are there, or that its development server runs. */
export async function checkSpa({ spa }: Config): Promise<readonly CheckResult[]> {
  if (spa === undefined) return [];
  if (spa.devServer !== undefined) return [await checkDevServer(spa.devServer)];
  const directory = resolve(spa.directory);
  const fail = (problem: string) => {
    const advice = `${problem}; build the app, or correct spa.directory (relative to the working directory)`;
    return [checkResult('spa', 'failed', advice)];
  };
  if (!(await isOf(directory, 'isDirectory'))) return fail(`${directory} is not a directory`);
  if (!(await isOf(join(directory, 'index.html'), 'isFile')))
    return fail(`${directory} has no index.html, and every page would be 404`);
  return [checkResult('spa', 'ok', `${directory}, with an index.html`)];
}

async function checkDevServer(devServer: string): Promise<CheckResult> {
  try {
    await tryConnection(devServer, {}, CONNECT_TIMEOUT_MS);
    return checkResult('spa', 'ok', `the development server ${devServer} accepts connections`);
  } catch (error) {
    const detail = `the development server ${devServer} does not accept connections: ${reasonOf(error)}; start it`;
    return checkResult('spa', 'warning', detail);
  }
}

async function isOf(path: string, kind: 'isDirectory' | 'isFile'): Promise<boolean> {
  try {
    return (await stat(path))[kind]();
  } catch {
    return false;
  }
}
