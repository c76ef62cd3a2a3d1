/**
 * oidc-provider, imported without its warning about the runtime: release 9.13.3 warns of any Node.js without long-term
 * support, which Coatcheck supports too, and the warning does not help users of the demo.
 */
export const { Provider, errors, interactionPolicy } = await importQuietly();

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
