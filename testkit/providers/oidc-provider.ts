/**
 * oidc-provider, imported without its opinion of the runtime: release 9.13.3 warns of any Node.js without long-term
 * support, which Coatcheck runs on too, and that is no news to whoever runs the demo.
 */
export const { Provider, errors } = await importQuietly();

async function importQuietly() {
  const { warn } = console;
  console.warn = (...message: unknown[]) => {
    if (!String(message[0]).includes('Unsupported runtime')) warn(...message);
  };
  try {
    return await import('oidc-provider');
  } finally {
    console.warn = warn;
  }
}
