import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startChildProcess } from '../../../testkit/processes/child-process.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));

/** A folder in which somebody has installed a package of ours. */
export type InstalledPackage = {
  readonly folder: string;
  /** Where the package itself is. */
  readonly installed: string;
  /** Puts another package into the folder, as if it were installed there. */
  provide(name: string): Promise<void>;
  /** Runs a program in the folder to its end; what it printed is in the error when it fails. */
  run(command: string, args: string[]): Promise<string>;
  /** Compiles a file with TypeScript, strictly, and returns what the compiler says. */
  compile(file: string, source: string, options: Record<string, unknown>): Promise<string>;
  remove(): Promise<void>;
};

/** Packs the package whose sources are in `source`, and installs it. */
export async function installPackage(name: string, source: string): Promise<InstalledPackage> {
  const folder = await mkdtemp(join(tmpdir(), 'coatcheck-package-'));
  const installed = join(folder, 'node_modules', name);

  const run: InstalledPackage['run'] = async (command, args) => {
    const { PATH = '' } = process.env;
    const env = { PATH, HOME: folder, npm_config_update_notifier: 'false' };
    const child = startChildProcess(command, args, { cwd: folder, env });
    const { code } = await child.exit;
    const output = child.stdout() + child.stderr();
    if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}\n${output}`);
    return output;
  };

  await run('npm', ['pack', source, '--ignore-scripts', '--offline', '--pack-destination', folder]);
  const [tarball = ''] = (await readdir(folder)).filter((file) => file.endsWith('.tgz'));
  await mkdir(installed, { recursive: true });
  await run('tar', ['-xzf', join(folder, tarball), '-C', installed, '--strip-components', '1']);
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }');

  return {
    folder,
    installed,
    run,
    provide: async (other) => {
      const place = join(folder, 'node_modules', other);
      await mkdir(dirname(place), { recursive: true });
      await symlink(join(root, 'node_modules', other), place);
    },
    compile: async (file, code, options) => {
      const compilerOptions = {
        target: 'es2024',
        lib: ['es2024', 'dom', 'dom.iterable'],
        strict: true,
        exactOptionalPropertyTypes: true,
        noEmit: true,
        ...options,
      };
      await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: [file] }));
      await writeFile(join(folder, file), code);
      return run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', folder]);
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}
