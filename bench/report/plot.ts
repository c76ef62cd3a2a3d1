import type { Comparison } from '../comparison/comparison.ts';
import type { Figures } from '../comparison/figures.ts';
import { number, times } from './quantity.ts';

const WIDTH = 920;
const LABEL_END = 300;
const BAR_START = 314;
const BAR_WIDTH = 480;
const ROW_HEIGHT = 46;
const BAR_HEIGHT = 13;
const TOP = 92;

/** Draws the CPU cost per request of each candidate, relative to `node:http`, as an SVG. */
export function drawComparison({ figures }: Comparison): string {
  const shown = figures.filter(({ id }) => id !== 'upstream');
  const largest = Math.max(
    ...shown.flatMap(({ toFloor }) => [toFloor.get.cpuMicros, toFloor.post.cpuMicros]),
  );
  const height = TOP + shown.length * ROW_HEIGHT + 20;
  const rows = shown.map((one, at) => drawRow(one, TOP + at * ROW_HEIGHT, BAR_WIDTH / largest));
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-labelledby="title description">
  <title id="title">CPU time per request, relative to node:http responding by itself</title>
  <desc id="description">${shown.map((one) => `${one.title}: ${number(one.toFloor.get.cpuMicros, 1)} for a GET, ${number(one.toFloor.post.cpuMicros, 1)} for a POST.`).join(' ')}</desc>
  <style>
    svg { --ground: #fbfbf9; --ink: #17181c; --quiet: #5d616a; --line: #d5d6d1; --own: #1d4ed8; --other: #9aa0ab }
    @media (prefers-color-scheme: dark) {
      svg { --ground: #131417; --ink: #eeeef0; --quiet: #a1a5ae; --line: #34373e; --own: #7ca8ff; --other: #6b7280 }
    }
    text { font: 14px ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; fill: var(--ink) }
    .ground { fill: var(--ground); stroke: var(--line) }
    .title { font-size: 17px; font-weight: 650 }
    .note { font-size: 13px; fill: var(--quiet) }
    .label { text-anchor: end }
    .bar { fill: var(--other) } .own { fill: var(--own) } .post { opacity: 0.55 }
    .figure { font-size: 12px; font-variant-numeric: tabular-nums }
  </style>

  <rect class="ground" x="0.5" y="0.5" width="${WIDTH - 1}" height="${height - 1}" rx="14" />
  <text class="title" x="32" y="42">CPU time per request, relative to node:http responding by itself</text>
  <text class="note" x="32" y="66">32 connections; upper bar GET, lower bar POST; all processes of each candidate; less is better</text>

${rows.join('\n')}
</svg>
`;
}

function drawRow({ id, title, toFloor }: Figures, top: number, scale: number): string {
  const kind = id.startsWith('coatcheck') ? 'bar own' : 'bar';
  return [
    `  <text class="label" x="${LABEL_END}" y="${top + 19}">${title}</text>`,
    drawBar(kind, top, toFloor.get.cpuMicros, scale),
    drawBar(`${kind} post`, top + BAR_HEIGHT + 1, toFloor.post.cpuMicros, scale),
  ].join('\n');
}

function drawBar(kind: string, top: number, ratio: number, scale: number): string {
  const width = (ratio * scale).toFixed(1);
  const end = (BAR_START + ratio * scale + 8).toFixed(1);
  return (
    `  <rect class="${kind}" x="${BAR_START}" y="${top}" width="${width}" height="${BAR_HEIGHT}" rx="2" />\n` +
    `  <text class="figure" x="${end}" y="${top + BAR_HEIGHT - 2}">${times(ratio)}</text>`
  );
}
