/** Calls the API at a steady pace, whether or not the calls before have come back, up to twenty at a time. */
export function createStream(call, everyMs) {
  let timer;
  let underWay = 0;

  async function callOnce() {
    if (underWay >= 20) return;
    underWay += 1;
    await call();
    underWay -= 1;
  }

  return {
    isRunning: () => timer !== undefined,
    start() {
      timer ??= setInterval(callOnce, everyMs);
      void callOnce();
    },
    stop() {
      clearInterval(timer);
      timer = undefined;
    },
  };
}
