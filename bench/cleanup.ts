/** Something that is open. */
type Opened = { close(): Promise<void> };

/** What has been opened and must be closed, whatever happens in between. */
export type Cleanup = Opened & {
  /** Remembers to close what a promise opens, and gives it. */
  open<T extends Opened>(opening: Promise<T>): Promise<T>;
  /** Starts a closing of its own, which this one closes too. */
  nested(): Cleanup;
};

/** Starts with nothing open. What was opened last is closed first, and everything once. */
export function createCleanup(): Cleanup {
  const opened: Opened[] = [];
  let closed = false;

  return {
    open: async (opening) => {
      const resource = await opening;
      if (closed) await resource.close();
      else opened.push(resource);
      return resource;
    },

    nested: () => {
      const cleanup = createCleanup();
      opened.push(cleanup);
      return cleanup;
    },

    close: async () => {
      closed = true;
      for (const resource of opened.splice(0).reverse()) await resource.close();
    },
  };
}
