import { useMutation, useQuery } from '@tanstack/react-query';
import { useGatewayFetch, useSession } from 'coatcheck-client/react';
import { useEffect, useState } from 'react';
import { gateway } from './gateway.ts';
import { openEvents, openSocket, upload } from './live.ts';

const notices = {
  session_required: 'Please sign in.',
  session_expired: 'Your session has ended.',
  signed_out: 'You have signed out.',
  user_changed: 'Somebody else has signed in in another tab.',
};

export function App() {
  const session = useSession<{ name?: string }>();
  switch (session.status) {
    case 'loading':
      return null;
    case 'unavailable':
      return <button onClick={session.reload}>Try again</button>;
    case 'signed-out':
      return (
        <>
          <p id="notice" role="alert">
            {session.reason ? notices[session.reason] : 'Welcome.'}
          </p>
          <button onClick={() => session.login()}>Sign in</button>
        </>
      );
    case 'signed-in':
      return (
        <>
          <h1 id="name">{session.session.claims.name ?? session.session.subject}</h1>
          <StepUp />
          <button onClick={session.logout}>Sign out</button>
          <Items />
          <Transfer />
          <Upload />
          <Messages id="socket" open={openSocket} />
          <Messages id="events" open={openEvents} />
        </>
      );
  }
}

/** Offers the sign-in that a call needs. */
function StepUp() {
  const [loginUrl, setLoginUrl] = useState<string>();
  useEffect(() => gateway.onStepUpRequired((event) => setLoginUrl(event.loginUrl)), []);
  if (!loginUrl) return null;
  return (
    <p id="notice" role="alert">
      This call needs a fresh sign-in.{' '}
      <button onClick={() => gateway.login({ loginUrl })}>Sign in again</button>
    </p>
  );
}

function Items() {
  const call = useGatewayFetch();
  const items = useQuery({
    queryKey: ['items'],
    enabled: false,
    // A second try of a 401 is of no use: the gateway has tried what can be tried.
    retry: false,
    async queryFn(): Promise<string[]> {
      const response = await call('/api/items');
      if (!response.ok) throw new Error(`The API responded with ${response.status}.`);
      return response.json();
    },
  });
  return (
    <p>
      <button onClick={() => void items.refetch()}>Load items</button>
      <output id="items">{items.data?.join(', ')}</output>
    </p>
  );
}

function Transfer() {
  const call = useGatewayFetch();
  const transfer = useMutation({ mutationFn: () => call('/api/transfer', { method: 'POST' }) });
  return (
    <p>
      <button onClick={() => transfer.mutate()}>Transfer</button>
      <output id="transfer">{transfer.data?.ok ? 'Transferred.' : ''}</output>
    </p>
  );
}

function Upload() {
  const [progress, setProgress] = useState('');
  const send = async (file: File | undefined) => {
    if (!file) return;
    const status = await upload(file, (share) => setProgress(`${Math.round(share * 100)} %`));
    setProgress((before) => `${before}, status ${status}`);
  };
  return (
    <p>
      <input
        type="file"
        aria-label="A file to upload"
        onChange={({ target }) => void send(target.files?.[0])}
      />
      <output id="progress">{progress}</output>
    </p>
  );
}

/** Shows the latest message of a source. */
function Messages({ id, open }: { id: string; open: (onMessage: (text: string) => void) => () => void }) {
  const [message, setMessage] = useState('');
  useEffect(() => open(setMessage), [open]);
  return (
    <p>
      <output id={id}>{message}</output>
    </p>
  );
}
