import express from 'express';
import { devicePage, type Question } from './pages.ts';

/** The other device of all users: a page that asks for approval. */
export interface Device {
  routes: express.Router;
  ask(question: Question): void;
}

/** Creates the device, at `/device`; it calls `decide` with the person's decision. */
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
