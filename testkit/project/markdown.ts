/** A fenced code block. */
export type CodeBlock = { readonly language: string; readonly text: string };

/** The parts of a Markdown page that the documentation tests check. */
export type Page = {
  /** The anchors of its headings. */
  readonly anchors: ReadonlySet<string>;
  /** The targets of its links and images, as written. */
  readonly links: readonly string[];
  /** Its inline code. */
  readonly spans: readonly string[];
  readonly blocks: readonly CodeBlock[];
  /** The rows of its tables, including headers, each a list of cells. */
  readonly rows: readonly (readonly string[])[];
};

const fence = /^```(\w*)[^\n]*\n(.*?)^```$/gms;
const span = /`([^`\n]+)`/g;

/** Parses a page. */
export function readPage(text: string): Page {
  const prose = text.replace(fence, '');
  const headings = Array.from(prose.matchAll(/^#+ (.+)$/gm), ([, heading = '']) => heading);
  const lines = prose.split('\n').filter((line) => /^\|(?! ?:?-)/.test(line));
  return {
    anchors: new Set(headings.map(anchorOf)),
    links: Array.from(prose.replace(span, '').matchAll(/\]\(([^)\s]+)\)/g), ([, target = '']) => target),
    spans: spansIn(prose),
    blocks: Array.from(text.matchAll(fence), ([, language = '', code = '']) => ({ language, text: code })),
    rows: lines.map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    ),
  };
}

/** The section below a heading, up to the next heading of the same or a higher level. */
export function sectionOf(text: string, heading: string): string {
  const lines = text.split('\n');
  const start = lines.findIndex((line) => /^#+ /.test(line) && line.replace(/^#+ /, '') === heading);
  if (start === -1) throw new Error(`there is no section "${heading}"`);
  const rank = lines[start]?.indexOf(' ') ?? 0;
  const length = lines.slice(start + 1).findIndex((line) => /^#+ /.test(line) && line.indexOf(' ') <= rank);
  return lines.slice(start, length === -1 ? undefined : start + 1 + length).join('\n');
}

/** The inline code of a text. */
export function spansIn(text: string): string[] {
  return Array.from(text.matchAll(span), ([, code = '']) => code);
}

/** The anchor of a heading, as GitHub and the site of the documentation make it. */
export function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}_ -]/gu, '')
    .replaceAll(' ', '-');
}
