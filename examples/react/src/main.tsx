import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { SessionProvider } from 'coatcheck-client/react';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './app.tsx';
import { gateway } from './gateway.ts';

const queries = new QueryClient();
// What one user has loaded must not be there for the next.
gateway.onSessionEnded(() => queries.clear());

createRoot(document.querySelector('main') ?? document.body).render(
  <StrictMode>
    <QueryClientProvider client={queries}>
      <SessionProvider client={gateway}>
        <App />
      </SessionProvider>
    </QueryClientProvider>
  </StrictMode>,
);
