/** A text on a page that is hard to read. */
export type FaintText = { text: string; ratio: number; required: number };

/**
 * Finds the visible texts of a page without enough contrast (WCAG 2.2, success criterion 1.4.3, level AA). It runs in the
 * page, so it uses nothing outside itself.
 */
export function findFaintTexts(): FaintText[] {
  type Colour = { rgb: number[]; alpha: number };
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = 1;
  const context = canvas.getContext('2d', { willReadFrequently: true });

  const read = (css: string): Colour => {
    if (context === null) throw new Error('this browser has no canvas');
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = css;
    context.fillRect(0, 0, 1, 1);
    const [red = 0, green = 0, blue = 0, alpha = 0] = context.getImageData(0, 0, 1, 1).data;
    return { rgb: [red, green, blue], alpha: alpha / 255 };
  };
  const blend = ({ rgb, alpha }: Colour, below: number[]) =>
    below.map((value, at) => (rgb[at] ?? 0) * alpha + value * (1 - alpha));
  const luminance = (rgb: number[]) => {
    const [red = 0, green = 0, blue = 0] = rgb.map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  /** The ancestors of an element and itself, the outermost first. */
  const chainOf = (element: Element): Element[] => [
    ...(element.parentElement ? chainOf(element.parentElement) : []),
    element,
  ];
  const isDark = matchMedia('(prefers-color-scheme: dark)').matches;

  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found: FaintText[] = [];
  while (walker.nextNode()) {
    const text = walker.currentNode.textContent?.trim() ?? '';
    const element = walker.currentNode.parentElement;
    if (text === '' || element === null || !element.checkVisibility() || element.closest('script, style'))
      continue;
    const styles = chainOf(element).map((each) => getComputedStyle(each));
    const style = getComputedStyle(element);
    const background = styles.reduce(
      (below, { backgroundColor }) => blend(read(backgroundColor), below),
      isDark ? [0, 0, 0] : [255, 255, 255],
    );
    const opacity = styles.reduce((product, each) => product * Number(each.opacity), 1);
    const { rgb, alpha } = read(style.color);
    const foreground = blend({ rgb, alpha: alpha * opacity }, background);
    const [light = 0, dark = 0] = [luminance(foreground), luminance(background)].sort((a, b) => b - a);
    const ratio = (light + 0.05) / (dark + 0.05);
    const size = Number.parseFloat(style.fontSize);
    const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const required = isLarge ? 3 : 4.5;
    if (ratio < required) found.push({ text, ratio, required });
  }
  return found;
}

/** The smaller side of each visible target of a page that is below 44 pixels, with its text. It runs in the page. */
export function findSmallTargets(): string[] {
  return Array.from(document.querySelectorAll('button, input:not([type=hidden]), a')).flatMap((each) => {
    const { width, height } = each.getBoundingClientRect();
    const isSmall = width > 0 && Math.min(width, height) < 44;
    return isSmall ? [`${each.textContent?.trim()}: ${width} × ${height}`] : [];
  });
}
