import express from 'express';
import { devicePage } from './pages.ts';

/** A sign-in that waits for the person's word. */
export interface Question {
  id: string;
  /** Who is asked. */
  name: string;
  /** What the page shows as well, so that the person sees that they belong together. */
  bindingMessage: string | undefined;
}

/** The other device of everybody: a page that asks, and tells what was said. */
export interface Device {
  routes: express.Router;
  ask(question: Question): void;
}

/** Creates the device, at `/device`; `answer` gets what the person said to a question. */
export function createDevice(decide: (id: string, isApproved: boolean) => Promise<void>): Device {
  const questions = new Map<string, Question>();
  const routes = express.Router();
  routes.get('/device', (_req, res) => {
    const page = devicePage([...questions.values()]);
    res.set(page.headers).send(page.html);
  });
  routes.post('/device', express.urlencoded({ extended: false }), async (req, res) => {
    const id = String(req.body?.id);
    if (questions.delete(id)) await decide(id, req.body.answer === 'yes');
    res.redirect(303, '/device');
  });
  return {
    routes,
    ask: (question) => void questions.set(question.id, question),
  };
}
