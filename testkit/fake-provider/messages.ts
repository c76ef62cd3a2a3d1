import { ProtocolError } from './protocol-error.ts';

/** The parameters of a request; each has one value. */
export type Parameters = Record<string, string>;

/** A request to an endpoint of the fake provider. */
export type ProviderRequest = {
  method: string;
  /** The query, or the form when the body is one. */
  query: URLSearchParams;
  form: URLSearchParams | undefined;
  authorization: string | undefined;
  /** The DPoP proof (RFC 9449). */
  proof: string | undefined;
};

/** A response of the fake provider; an object is sent as JSON, a string or buffer unchanged. */
export type ProviderResponse = {
  status: number;
  headers?: Record<string, string>;
  body?: Record<string, unknown> | string | Buffer;
};

/**
 * The parameters of a query or form. A parameter without a value counts as absent (RFC 6749, section 3.1).
 *
 * @throws ProtocolError `invalid_request` for a repeated parameter; `resource` may be repeated (RFC 8707, section 2) and
 * then has its values separated by a space.
 */
export function parametersOf(given: URLSearchParams): Parameters {
  const parameters: Parameters = {};
  for (const name of new Set(given.keys())) {
    const values = given.getAll(name).filter((value) => value !== '');
    if (values.length > 1 && name !== 'resource') {
      throw new ProtocolError('invalid_request', `${name} is given ${values.length} times`);
    }
    if (values.length > 0) parameters[name] = values.join(' ');
  }
  return parameters;
}

/**
 * The value of one parameter.
 *
 * @throws ProtocolError `invalid_request` when it is absent.
 */
export function required(parameters: Parameters, name: string): string {
  const value = parameters[name];
  if (value === undefined) throw new ProtocolError('invalid_request', `${name} is missing`);
  return value;
}

/**
 * The form of a request.
 *
 * @throws ProtocolError `invalid_request` when it is not a form post (RFC 6749, section 3.2).
 */
export function formOf(request: ProviderRequest): Parameters {
  if (request.method !== 'POST') throw new ProtocolError('invalid_request', 'POST is required', 405);
  if (request.form === undefined) {
    throw new ProtocolError('invalid_request', 'the body is not application/x-www-form-urlencoded');
  }
  if (request.query.size > 0) throw new ProtocolError('invalid_request', 'parameters in the query');
  return parametersOf(request.form);
}
