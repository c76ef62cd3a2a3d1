import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../../../src/provider/read-config.ts';
import { minimal, problemsWith } from '../sample.ts';

describe('spa', () => {
  it('spa accepts a directory or a development server', () => {
    expect(parseConfig({ ...minimal, spa: { directory: '../dist' } }).spa).toEqual({ directory: '../dist' });
    expect(parseConfig({ ...minimal, spa: { devServer: 'http://127.0.0.1:5173/' } }).spa).toEqual({
      devServer: 'http://127.0.0.1:5173',
    });
  });

  it.each([{}, { directory: '../dist', devServer: 'http://127.0.0.1:5173' }])(
    'spa requires exactly one of directory and devServer, not %o',
    (spa) => {
      expect(problemsWith({ spa })).toEqual([
        'spa: expected exactly one of directory and devServer, got a mapping',
      ]);
    },
  );

  it('spa rejects an empty directory and a development server with a path', () => {
    expect(problemsWith({ spa: { directory: '' } })).toEqual([
      'spa.directory: expected a directory, got a string of 0 characters',
    ]);
    expect(problemsWith({ spa: { devServer: 'http://127.0.0.1:5173/app' } })).toEqual([
      'spa.devServer: expected the origin of the development server, such as http://127.0.0.1:5173, got a string of 25 characters',
    ]);
  });
});
