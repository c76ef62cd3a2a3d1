import { describe, expect, it } from 'vitest';
import { interpolate } from '../../../src/config/interpolation.ts';

const files: Record<string, string> = {
  '/run/secrets/client': 'from file\n',
  '/run/secrets/windows': 'from file\r\n',
  '/run/secrets/lines': 'one\ntwo\n\n',
  '/run/secrets/empty': '\n',
};
const sources = {
  env: { NAME: 'value', EMPTY: '', TRICKY: '${NAME} $& $1' },
  readFile: (path: string) => {
    const content = files[path];
    if (content === undefined) throw Object.assign(new Error('canary'), { code: 'EACCES' });
    return content;
  },
};
const textOf = (text: string) => interpolate(text, sources).text;

describe('interpolation', () => {
  it.each([
    ['plain $NAME $', 'plain $NAME $'],
    ['${NAME}', 'value'],
    ['a ${NAME} and ${NAME}', 'a value and value'],
    ['${NAME:-other}', 'value'],
    ['${UNSET:-other}', 'other'],
    ['${EMPTY:-other}', 'other'],
    ['${UNSET:-http://localhost:3000}', 'http://localhost:3000'],
    ['x${EMPTY}y', 'xy'],
    ['$${NAME}', '${NAME}'],
    ['$$${NAME}', '$${NAME}'],
    ['${file:/run/secrets/client}', 'from file'],
    ['${file:/run/secrets/windows}', 'from file'],
    ['${file:/run/secrets/lines}', 'one\ntwo\n'],
  ])('interpolation resolves %o to %o', (text, expected) => {
    expect(interpolate(text, sources)).toMatchObject({ text: expected, problems: [] });
  });

  it('interpolation does not resolve references inside values from outside', () => {
    expect(textOf('${TRICKY}')).toBe('${NAME} $& $1');
  });

  it.each(['${EMPTY}', '${UNSET:-}', '${EMPTY:-}', '${file:/run/secrets/empty}'])(
    'interpolation treats %s as absent when its result is empty',
    (text) => {
      expect(interpolate(text, sources)).toEqual({ text: undefined, interpolated: true, problems: [] });
    },
  );

  it('interpolation keeps an empty text that contains no reference', () => {
    expect(interpolate('', sources)).toEqual({ text: '', interpolated: false, problems: [] });
  });

  it('interpolation names a variable that is not set', () => {
    expect(interpolate('${UNSET} ${OTHER}', sources).problems).toEqual([
      'the environment variable UNSET is not set',
      'the environment variable OTHER is not set',
    ]);
  });

  it('interpolation names an unreadable file and gives the reason without system messages', () => {
    expect(interpolate('${file:/root/x}', sources).problems).toEqual([
      'the file "/root/x" is not readable by this process',
    ]);
  });

  it.each(['${', '${NAME', '${}', '${1X}', '${A B}', '${NAME-x}', '${A:-${NAME}}', '${env:canary}'])(
    'interpolation rejects the malformed %s without revealing it',
    (text) => {
      const { problems } = interpolate(text, sources);
      expect(problems).toEqual([
        expect.stringMatching(/^expected \$\{NAME\}, \$\{NAME:-default\} or \$\{file:/),
      ]);
    },
  );

  it('interpolation distinguishes values from outside from literal ones', () => {
    expect(interpolate('${NAME}', sources).interpolated).toBe(true);
    expect(interpolate('${UNSET:-x}', sources).interpolated).toBe(true);
    expect(interpolate('$${NAME}', sources).interpolated).toBe(false);
  });
});
