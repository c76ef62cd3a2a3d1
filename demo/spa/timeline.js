const WINDOW_MS = 60_000;
const SCALES = [25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000];
const BAND = 22;
const HEADROOM = 18;
const FLOOR = 20;

/**
 * Draws the calls of the last minute: a band of the tokens in use along the top, below it a bar a call.
 * It moves while `isMoving` says so, and stands still otherwise.
 */
export function createTimeline(canvas, { tokens, isMoving, failed }) {
  const context = canvas.getContext('2d');
  const scheme = matchMedia('(prefers-color-scheme: dark)');
  const prefersNoMotion = matchMedia('(prefers-reduced-motion: reduce)');
  let calls = [];
  let rejections = [];
  let now = performance.now();
  let frame;
  let colours = readColours();

  scheme.addEventListener('change', () => {
    colours = readColours();
    draw();
  });
  new ResizeObserver(resize).observe(canvas);

  // A canvas does not understand light-dark(): an element resolves the colours for it.
  function readColours() {
    const probe = canvas.parentElement.appendChild(document.createElement('span'));
    const read = (name) => {
      probe.style.color = `var(--${name})`;
      return getComputedStyle(probe).color;
    };
    const resolved = {
      tokens: [0, 1, 2, 3, 4, 5].map((index) => read(`token-${index}`)),
      ink: read('ink'),
      quiet: read('quiet'),
      line: read('line'),
      failed: read('failed'),
      font: getComputedStyle(canvas).fontFamily,
    };
    probe.remove();
    return resolved;
  }

  function resize() {
    const scale = devicePixelRatio;
    canvas.width = Math.round(canvas.clientWidth * scale);
    canvas.height = Math.round(canvas.clientHeight * scale);
    context.setTransform(scale, 0, 0, scale, 0, 0);
    draw();
  }

  function move() {
    frame = undefined;
    now = performance.now();
    draw();
    if (isMoving() && !prefersNoMotion.matches) frame = requestAnimationFrame(move);
  }

  function wake() {
    frame ??= requestAnimationFrame(move);
  }

  function draw() {
    const width = canvas.clientWidth;
    const floor = canvas.clientHeight - FLOOR;
    const oldest = now - WINDOW_MS;
    const x = (time) => ((time - oldest) / WINDOW_MS) * width;
    calls = calls.filter((call) => call.sentAt > oldest - 1000);
    rejections = rejections.filter((time) => time > oldest);
    context.clearRect(0, 0, width, canvas.clientHeight);
    const slowest = Math.max(0, ...calls.map((call) => call.took));
    const top = SCALES.find((scale) => scale >= slowest) ?? slowest;
    drawScale(width, floor, top);
    drawTokens(x, width, floor);
    for (const call of calls) drawCall(call, x(call.sentAt), floor, top);
    for (const time of rejections) drawRejection(x(time), floor);
  }

  function drawScale(width, floor, top) {
    context.fillStyle = colours.line;
    context.fillRect(0, floor, width, 1);
    context.fillRect(0, BAND + HEADROOM, width, 1);
    context.font = `11px ${colours.font}`;
    context.fillStyle = colours.quiet;
    context.textBaseline = 'alphabetic';
    const labels = [
      ['60 s ago', 0, 'left'],
      ['30 s', width / 2, 'center'],
      ['now', width, 'right'],
    ];
    for (const [label, at, align] of labels) {
      context.textAlign = align;
      context.fillText(label, at, floor + 16);
    }
    context.textAlign = 'left';
    context.fillText(`${Math.round(top)} ms`, 0, BAND + HEADROOM - 4);
  }

  function drawTokens(x, width, floor) {
    const shown = tokens.all();
    context.textBaseline = 'middle';
    context.textAlign = 'left';
    context.font = `500 11px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace`;
    shown.forEach((token, index) => {
      const next = shown[index + 1];
      const from = Math.max(0, x(token.firstSeenAt));
      const to = Math.min(width, x(next ? next.firstSeenAt : token.lastSeenAt));
      if (to <= from) return;
      const colour = colours.tokens[token.colour];
      context.globalAlpha = 0.16;
      context.fillStyle = colour;
      context.beginPath();
      context.roundRect(from + 1, 0, Math.max(2, to - from - 2), BAND, 5);
      context.fill();
      context.globalAlpha = 1;
      if (index > 0 && x(token.firstSeenAt) >= 0) {
        context.fillRect(from, 0, 1.5, floor);
      }
      const label = token.early ? `${token.fingerprint} refreshed early` : token.fingerprint;
      const fitting = [label, token.fingerprint].find(
        (text) => context.measureText(text).width < to - from - 16,
      );
      if (fitting) context.fillText(fitting, from + 8, BAND / 2 + 0.5);
    });
  }

  function drawCall(call, at, floor, top) {
    const available = floor - BAND - HEADROOM;
    // The square root keeps quick calls in sight beside one that waited for a new token.
    const height = Math.max(3, Math.sqrt(call.took / top) * available);
    const token = call.token && tokens.get(call.token.fingerprint);
    context.fillStyle = token ? colours.tokens[token.colour] : colours.quiet;
    if (failed(call)) {
      context.fillStyle = colours.failed;
      context.fillRect(at - 1.5, floor - available, 3, available);
      return;
    }
    context.beginPath();
    context.roundRect(at - 1, floor - height, 2, height, 1);
    context.fill();
  }

  function drawRejection(at, floor) {
    context.fillStyle = colours.ink;
    context.beginPath();
    context.moveTo(at - 5, BAND + 3);
    context.lineTo(at + 5, BAND + 3);
    context.lineTo(at, BAND + 10);
    context.fill();
    context.globalAlpha = 0.35;
    context.fillRect(at - 0.5, BAND + 10, 1, floor - BAND - 10);
    context.globalAlpha = 1;
  }

  return {
    add(call) {
      calls.push(call);
      wake();
    },
    markRejection(time) {
      rejections.push(time);
      wake();
    },
    wake,
  };
}
