import express, { Router, type RequestHandler } from 'express';
import { relative, resolve } from 'node:path';
import { isNavigation } from '../http/inbound/navigation.ts';
import { requestContextOf } from '../http/inbound/request-context.ts';
import type { SecurityHeaders } from '../http/security-headers.ts';
import { isImmutableAsset } from './immutable-asset.ts';

/**
 * Serves the app's built files. A navigation to any other path gets `index.html` for client-side routing; other requests
 * for missing files get 404. Hashed files below `/assets/` are cached as immutable; pages are revalidated every time.
 */
export function createSpaFiles(directory: string, setHeaders: SecurityHeaders): RequestHandler {
  const root = resolve(directory);
  const router = Router({ caseSensitive: true });
  router.use(function pageHeaders(_request, response, next) {
    requestContextOf(response).route = 'spa';
    setHeaders(response);
    next();
  });
  router.use(
    express.static(root, {
      index: 'index.html',
      redirect: false,
      setHeaders(response, path) {
        const isImmutable = isImmutableAsset(relative(root, path));
        response.setHeader('Cache-Control', isImmutable ? 'public, max-age=31536000, immutable' : 'no-cache');
      },
    }),
  );
  router.use(function appRoute(request, response, next) {
    const isRead = request.method === 'GET' || request.method === 'HEAD';
    if (!isRead || !isNavigation(request)) return next();
    response.setHeader('Cache-Control', 'no-cache');
    response.sendFile('index.html', { root, cacheControl: false }, (error) => error && next());
  });
  return router;
}
