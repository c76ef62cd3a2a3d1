import type { UpgradeCall, UpgradeResponse } from './upstream-upgrade.ts';

/** Requests an upgrade, and once more when its response is to be discarded. */
export function callAgainIf(
  isDiscarded: (response: UpgradeResponse) => boolean,
  open: () => UpgradeCall,
): UpgradeCall {
  let current = open();
  let isCancelled = false;
  const response = current.response.then((first) => {
    if (isCancelled || !isDiscarded(first)) return first;
    first.body.destroy();
    current = open();
    return current.response;
  });
  return {
    response,
    wasConnected: () => current.wasConnected(),
    cancel(error) {
      isCancelled = true;
      current.cancel(error);
    },
  };
}
