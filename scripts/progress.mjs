const frames = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];

/**
 * Progress output: one line for each finished step, and a sign of progress during a step. On a terminal that is a
 * spinner on the step's own line; elsewhere a line every five seconds.
 */
export function createProgress(stream) {
  const say = (line) => stream.write(`${line}\n`);

  /** Runs `work` under `title`. `passed` tells from its result whether the step gets a tick or a cross. */
  async function step(title, work, passed = ({ code }) => code === 0) {
    const started = Date.now();
    const stop = stream.isTTY ? spin(stream, title, started) : murmur(say, title, started);
    let mark = '✗';
    try {
      const result = await work();
      if (passed(result)) mark = '✓';
      return result;
    } finally {
      stop();
      say(`${mark} ${title}, ${((Date.now() - started) / 1000).toFixed(1)} s`);
    }
  }

  return { say, step };
}

function spin(stream, title, started) {
  let frame = 0;
  const draw = () => {
    const sign = frames[frame++ % frames.length];
    stream.write(`\r${sign} ${title}… ${elapsed(started)}\x1b[K`);
  };
  draw();
  const timer = setInterval(draw, 100);
  return () => {
    clearInterval(timer);
    stream.write('\r\x1b[K');
  };
}

function murmur(say, title, started) {
  const timer = setInterval(() => say(`› ${title}… ${elapsed(started)}`), 5_000);
  return () => clearInterval(timer);
}

function elapsed(started) {
  return `${Math.round((Date.now() - started) / 1000)} s`;
}
