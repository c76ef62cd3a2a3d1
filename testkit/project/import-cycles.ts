import { posix } from 'node:path';
import { specifiersOf, withoutComments } from './module-order.ts';

/**
 * Finds groups of files that import each other, directly or through others; imports of types count as well. Takes each
 * file's text by its path (with `/`), and returns each group in the order of its paths.
 */
export function importCycles(sources: Readonly<Record<string, string>>): string[][] {
  const imports = new Map(
    Object.entries(sources).map(([file, text]) => [
      file,
      specifiersOf(withoutComments(text))
        .map((specifier) => posix.join(posix.dirname(file), specifier))
        .filter((target) => Object.hasOwn(sources, target)),
    ]),
  );
  // Tarjan's algorithm for strongly connected components.
  const order = new Map<string, number>();
  const stack: string[] = [];
  const groups: string[][] = [];

  const visit = (file: string) => {
    order.set(file, order.size);
    let low = order.size - 1;
    stack.push(file);
    for (const target of imports.get(file) ?? []) {
      if (!order.has(target)) low = Math.min(low, visit(target));
      else if (stack.includes(target)) low = Math.min(low, order.get(target) ?? low);
    }
    if (low !== order.get(file)) return low;
    const group = stack.splice(stack.indexOf(file));
    if (group.length > 1 || imports.get(file)?.includes(file) === true) groups.push(group.toSorted());
    return low;
  };
  for (const file of imports.keys()) if (!order.has(file)) visit(file);
  return groups;
}
