/** Something that is open. */
type Opened = { close(): Promise<void> };

/** What has been opened and must be closed, whatever happens in between. */
export type Closing = Opened & {
  /** Remembers to close what a promise opens, and gives it. */
  open<T extends Opened>(opening: Promise<T>): Promise<T>;
  /** Starts a closing of its own, which this one closes too. */
  nested(): Closing;
};

/** Starts with nothing open. What was opened last is closed first, and everything once. */
export function createClosing(): Closing {
  const opened: Opened[] = [];
  let closed = false;

  return {
    open: async (opening) => {
      const part = await opening;
      if (closed) await part.close();
      else opened.push(part);
      return part;
    },

    nested: () => {
      const closing = createClosing();
      opened.push(closing);
      return closing;
    },

    close: async () => {
      closed = true;
      for (const part of opened.splice(0).reverse()) await part.close();
    },
  };
}
