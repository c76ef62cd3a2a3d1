import { hasSameSettings } from '../config/same-settings.ts';

/** A part that a reload creates again only when its settings have changed. */
export type ReusedPart<Part> = (settings: unknown, create: () => Part) => Part;

export function createReusedPart<Part>(): ReusedPart<Part> {
  let last: { readonly settings: unknown; readonly part: Part } | undefined;
  return (settings, create) => {
    if (last === undefined || !hasSameSettings(settings, last.settings)) last = { settings, part: create() };
    return last.part;
  };
}
