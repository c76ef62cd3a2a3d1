/** A resource that must be closed. */
type Opened = { close(): Promise<void> };

/** Collects open resources and closes them all, also after an error. */
export type Cleanup = Opened & {
  /** Waits for the resource, registers it for closing, and returns it. */
  open<T extends Opened>(opening: Promise<T>): Promise<T>;
  /** Creates a nested cleanup, which this one closes as well. */
  nested(): Cleanup;
};

/** Closes resources in reverse order of opening, each once. */
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
