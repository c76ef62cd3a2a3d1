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
  ])('turns %o into %o', (text, expected) => {
    expect(interpolate(text, sources)).toMatchObject({ text: expected, problems: [] });
  });

  it('does not look for interpolations in what came from outside', () => {
    expect(textOf('${TRICKY}')).toBe('${NAME} $& $1');
  });

  it.each(['${EMPTY}', '${UNSET:-}', '${EMPTY:-}', '${file:/run/secrets/empty}'])(
    'counts %s as not written when it comes out empty',
    (text) => {
      expect(interpolate(text, sources)).toEqual({ text: undefined, interpolated: true, problems: [] });
    },
  );

  it('leaves a text alone that is empty without interpolation', () => {
    expect(interpolate('', sources)).toEqual({ text: '', interpolated: false, problems: [] });
  });

  it('names a variable that is not set', () => {
    expect(interpolate('${UNSET} ${OTHER}', sources).problems).toEqual([
      'the environment variable UNSET is not set',
      'the environment variable OTHER is not set',
    ]);
  });

  it('names a file that cannot be read, and says why without the words of the system', () => {
    expect(interpolate('${file:/root/x}', sources).problems).toEqual([
      'the file "/root/x" is not readable by this process',
    ]);
  });

  it.each(['${', '${NAME', '${}', '${1X}', '${A B}', '${NAME-x}', '${A:-${NAME}}', '${env:canary}'])(
    'refuses the malformed %s without showing it',
    (text) => {
      const { problems } = interpolate(text, sources);
      expect(problems).toEqual([
        expect.stringMatching(/^expected \$\{NAME\}, \$\{NAME:-default\} or \$\{file:/),
      ]);
    },
  );

  it('tells what came from outside from what did not', () => {
    expect(interpolate('${NAME}', sources).interpolated).toBe(true);
    expect(interpolate('${UNSET:-x}', sources).interpolated).toBe(true);
    expect(interpolate('$${NAME}', sources).interpolated).toBe(false);
  });
});
