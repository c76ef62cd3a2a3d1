/** A note. */
export interface Note {
  id: number;
  text: string;
}

/** Everyone's notes; each person sees only their own. */
export interface Notes {
  of(subject: string): readonly Note[];
  /** Adds a note and drops the oldest beyond twenty. */
  add(subject: string, text: string): Note;
}

/** Creates the notes, kept in memory; everyone starts with a few. */
export function createNotes(): Notes {
  const notes = new Map<string, Note[]>();
  let lastId = 0;

  function open(subject: string): Note[] {
    const texts = firstNotes[subject] ?? ['Try the stream of calls', 'Let the API reject the token'];
    const opened = notes.get(subject) ?? texts.map((text) => ({ id: ++lastId, text }));
    notes.set(subject, opened);
    return opened;
  }

  return {
    of: open,
    add(subject, text) {
      const note = { id: ++lastId, text };
      notes.set(subject, [...open(subject), note].slice(-20));
      return note;
    },
  };
}

const firstNotes: Record<string, string[]> = {
  ada: ['Finish note G on the Bernoulli numbers', 'Write to Babbage about the cards'],
  grace: ['Tape the moth into the logbook', 'Cut nanoseconds for the lecture'],
};
